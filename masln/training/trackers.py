"""Who is told of events while a network learns: a JSON-lines file, TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from masln.errors import CheckpointError, MissingExtraError
from masln.saving import write_atomically

__all__ = ["JsonLines", "TensorBoard"]


class JsonLines:
    """Appends each event to a file, one JSON object a line, at once on disk.

    An event with ``restart: n`` first cuts the file back to its leading n lines, so that a resumed run leaves
    the same file as a straight one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Write one event."""
        if "restart" in event:
            lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
            kept = lines[: event["restart"]]
            write_atomically(self.path, "".join(f"{line}\n" for line in kept).encode())
            return
        try:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(event) + "\n")
        except OSError as error:
            raise CheckpointError(f"cannot write {self.path}: {error.strerror or error}; free some space") from error


class TensorBoard:
    """Writes each number of an event as a scalar, by epoch (extra ``track``).

    Raises:
        MissingExtraError: tensorboard is not installed.
    """

    def __init__(self, directory: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("tensorboard", "track", "TensorBoard logging") from error
        self.make_writer = partial(SummaryWriter, str(directory))

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Write the scalars of one event."""
        if "restart" in event:
            # purge_step hides what a killed run wrote after its checkpoint
            self.writer = self.make_writer(purge_step=event["restart"] + 1)
            return
        for name, value in event.items():
            if name != "epoch" and isinstance(value, int | float):
                self.writer.add_scalar(name, value, event["epoch"])  # type: ignore[no-untyped-call,unused-ignore]
        self.writer.flush()  # type: ignore[no-untyped-call,unused-ignore]
