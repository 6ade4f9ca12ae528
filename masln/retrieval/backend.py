"""The contract of a backend: how the vectors of a gallery are searched, and what it keeps on disk for that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from class_resolver import ClassResolver
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from masln.registry import check_types, make_registered
from masln.retrieval.top_k import Part, exact_top_k

__all__ = ["Allowed", "Backend", "Exact", "Labels", "Rows", "Scores", "backend_resolver", "make_backend"]

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
Labels = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Allowed:
    """Which rows may be found: those of some classes, less those that were removed.

    Attributes:
        rows: (n,) bool, both in one.
        labels: Indices of the classes; empty for all.
        gone: The rows that were removed, ascending.
    """

    rows: NDArray[np.bool_]
    labels: tuple[int, ...] = ()
    gone: Rows = field(default_factory=lambda: np.empty(0, dtype=np.int64))


class Backend(BaseEstimator, ABC):  # type: ignore[misc]
    """Base of all backends; a subclass takes keyword-only hyper-parameters and keeps them as given.

    The vectors themselves are the gallery's, in float32, and so are rows that were removed; a backend that has an index
    of its own writes it as one file, which may name what is kept elsewhere.
    """

    #: How users write it.
    name: ClassVar[str] = ""
    #: Whether every answer is that of ``exact``.
    is_exact: ClassVar[bool] = False
    #: What it keeps in a gallery's folder beside that file.
    keeps: ClassVar[frozenset[str]] = frozenset()
    #: Whether the vectors are kept in bfloat16 too.
    keeps_half: bool = False

    def check(self) -> None:
        """Find what is wrong with the hyper-parameters; subclasses add their ranges.

        Raises:
            ConfigError: one has the wrong type or is out of range.
            MissingExtraError: a package is not installed.
        """
        check_types(self)

    def write(self, parts: Sequence[Part], file: Path, *, labels: Labels, previous: Path | None, added: int) -> bool:
        """Write the index of some vectors and wait until it is on disk.

        Args:
            parts: All vectors, those removed among them.
            file: Where to.
            labels: (n,) the class of each row, -1 for none.
            previous: The index of all but the last ``added`` vectors; None for the first.
            added: How many are new.

        Returns:
            Whether there is one.

        Raises:
            ConfigError: there are too few vectors for such an index.
        """
        return False

    @abstractmethod
    def search(
        self, queries: Scores, parts: Sequence[Part], k: int, *, allowed: Allowed | None, file: Path | None
    ) -> tuple[Rows, Scores]:
        """The k best rows of each query and their scores, as ``exact_top_k`` gives them.

        Args:
            queries: (m, w).
            parts: All vectors.
            k: How many.
            allowed: Which rows may be found; None for all.
            file: What ``write`` wrote; None where it wrote nothing.

        Raises:
            CheckpointError: the file is missing or damaged, or what it names cannot be reached.
        """

    def discard(self, file: Path, *, named: Sequence[Path]) -> None:
        """Delete what a file that no manifest names stands for elsewhere, if anything; the file itself goes after.

        Args:
            file: Of a call of ``write`` that was cut short, or of an earlier generation.
            named: The files that the manifest names.

        Raises:
            MaslnError: it cannot be done now; the file stays until it can.
        """
        return

    def close(self, folder: Path) -> None:
        """Let go of what is held open of a gallery, which may then be moved; a search opens it again."""
        return


class Exact(Backend):
    """A chunked matrix product over all vectors.

    Args:
        precision: ``fp32``, or ``bf16`` to read half as many bytes first, at half as many again on disk; the answers
            are the same.
    """

    name: ClassVar[str] = "exact"
    is_exact: ClassVar[bool] = True

    def __init__(self, *, precision: str = "fp32") -> None:
        self.precision = precision

    @property
    def keeps_half(self) -> bool:  # type: ignore[override]
        """Where bfloat16 is asked for."""
        return self.precision == "bf16"

    def check(self) -> None:
        """See the base."""
        from masln.errors import ConfigError, unknown_name

        super().check()
        if self.precision not in ("fp32", "bf16"):
            raise ConfigError(unknown_name("precision of the backend exact", self.precision, ("fp32", "bf16")))

    def search(
        self, queries: Scores, parts: Sequence[Part], k: int, *, allowed: Allowed | None, file: Path | None
    ) -> tuple[Rows, Scores]:
        """See the base."""
        return exact_top_k(queries, parts, k, allowed=None if allowed is None else allowed.rows)


backend_resolver: ClassResolver[Backend] = ClassResolver([], base=Backend, default=None)  # type: ignore[type-abstract]


def make_backend(name: str, **hyperparameters: object) -> Backend:
    """Make a backend by its registered name.

    Raises:
        ConfigError: the backend or a hyper-parameter is unknown; the nearest known name is given.
    """
    known = sorted(cls.name for cls in backend_resolver.lookup_dict.values())
    return make_registered(backend_resolver, name, hyperparameters, kind="backend", known=known)
