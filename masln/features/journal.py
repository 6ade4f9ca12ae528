"""The journal of an extraction: how far the files on disk are good, for a run that goes on after a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from masln.errors import CheckpointError, DataError

__all__ = ["Journal"]

_SAY = {
    "extractor": "another extractor, hyper-parameter or model file",
    "batch_size": "another batch_size",
    "shape": "features of another shape",
    "format": "another version of masln",
}


class Journal:
    """Lines of JSON, each waited for until it is on disk: the head, one a batch, and one at the end.

    A batch is ``{"items": hash, "kept": rows, "skipped": [[row, item, reason], ...]}``, the end ``{"finished": rows}``.

    A line that a kill or a crash tore off is cut away on opening. A lock, which the system lets go of when the process
    ends, keeps a second process from writing to the same files.

    Args:
        path: The file; made when missing.
        head: What the run is; it must equal the head of a journal that is there.

    Raises:
        CheckpointError: the journal belongs to another run, is damaged, or another process holds it.
        DataError: the disk refuses.
    """

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        self.path = path
        try:
            self._stream = path.open("a+b")
        except OSError as error:
            raise DataError(f"cannot write {path}: {error.strerror or error}") from error
        self.batches: list[str] = []
        self.finished = False
        self.kept = 0
        self.skipped: list[tuple[int, str, str]] = []
        try:
            self._lock()
            self._read(dict(head))
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def append(self, *entries: Mapping[str, Any]) -> None:
        """Add lines and wait until they are on disk."""
        self._write(*entries)
        for entry in entries:
            self._take(entry)

    def _write(self, *entries: Mapping[str, Any]) -> None:
        self._stream.write("".join(json.dumps(entry) + "\n" for entry in entries).encode())
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def _take(self, entry: Mapping[str, Any]) -> None:
        if "finished" in entry:
            self.finished = True
            return
        self.batches.append(entry["items"])
        self.kept += entry["kept"]
        self.skipped += [(row, item, reason) for row, item, reason in entry["skipped"]]

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # not on Windows
            return
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CheckpointError(f"another process is writing {self.path.parent}; wait for it, or end it") from error
        except OSError:  # some network disks know no locks
            return

    def _read(self, head: dict[str, Any]) -> None:
        """Take the entries after the head; the head is written where the file is new."""
        self._stream.seek(0)
        content = self._stream.read()
        entries: list[dict[str, Any]] = []
        good = 0
        for line in content.splitlines(keepends=True):
            try:
                entry = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n") or not isinstance(entry, dict):
                break
            entries.append(entry)
            good += len(line)
        self._stream.truncate(good)
        if not entries:
            self._write(head)
            return
        for key in head.keys() | entries[0].keys():
            if entries[0].get(key) != head.get(key):
                raise CheckpointError(
                    f"{self.path} was begun with {_SAY.get(key, f'another {key}')}; go on as it was begun, or delete "
                    "it to start anew"
                )
        try:
            for entry in entries[1:]:
                self._take(entry)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{self.path} is damaged; delete it to start anew") from error
