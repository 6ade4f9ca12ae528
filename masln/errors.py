"""The exceptions of the package: each message is one line that says what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "MaslnError",
    "MissingExtraError",
    "MissingVectorError",
    "ProtocolError",
    "RunFailedError",
    "SplitError",
    "unknown_name",
]


class MaslnError(Exception):
    """Base of all errors that a user can mend; the command line prints the message and exits with 2."""


class DataError(MaslnError):
    """Features, labels, texts or a bundle are malformed."""


class MissingVectorError(DataError):
    """Some class names have no word vector; ``missing`` says which, each with the words that lack one."""

    def __init__(self, message: str, missing: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.missing = tuple(missing)


class SplitError(MaslnError):
    """A class split cannot be made or does not fit the data."""


class ConfigError(MaslnError):
    """An option, hyper-parameter or configuration key is unknown or out of range."""


class ProtocolError(MaslnError):
    """An evaluation protocol is inconsistent or does not fit the data."""


class CheckpointError(MaslnError):
    """A checkpoint or saved model is missing, truncated or belongs to another configuration."""


class RunFailedError(MaslnError):
    """Runs of a comparison failed, each in a process of its own; those that ended well are kept."""


class MissingExtraError(MaslnError):
    """An optional dependency is not installed; ``command`` replaces the usual advice where no extra brings it."""

    def __init__(self, package: str, extra: str, purpose: str, *, command: str | None = None) -> None:
        command = command or f"pip install 'masln[{extra}]'"
        super().__init__(f"{purpose} needs {package}, which is not installed: {command}")


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """Word the message for an unknown name, with the nearest known one.

    Args:
        kind: What the name stands for, such as ``"method"`` or ``"option of masln"``.
        name: The name as given.
        known: The names that would have been accepted.

    Returns:
        One line: the unknown name, the nearest known one where there is any, and the whole list.
    """
    names = sorted(known)
    nearest = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
    return f"unknown {kind} {name!r}{hint}; known: {', '.join(names)}"
