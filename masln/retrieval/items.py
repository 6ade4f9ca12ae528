"""Items: what a code stands for, kept as lines of JSON that are read singly, however many there are."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.errors import CheckpointError

__all__ = ["Item", "ItemFile", "id_keys", "write_items"]

_KEYS = {"id": "id", "class": "label", "text": "text", "image": "image"}


@dataclass(frozen=True)
class Item:
    """A picture or a text of a gallery.

    Attributes:
        id: Its name; of a modality no two share one.
        label: Name of its class, seen or unseen or known to nobody; empty where it has none.
        text: Its text, or the text that goes with the picture.
        image: The picture's path, or that of the picture that goes with the text.
    """

    id: str
    label: str = ""
    text: str = ""
    image: str = ""

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form, without what is empty."""
        return {key: value for key, field in _KEYS.items() if (value := getattr(self, field)) or key == "id"}


def write_items(path: Path, items: Iterable[Item]) -> None:
    """Write one line of JSON an item, and wait until it is on disk.

    Raises:
        OSError: the disk refuses.
    """
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for item in items:
            stream.write(json.dumps(item.to_dict(), ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


class ItemFile:
    """Items that ``write_items`` wrote, read where they are asked for.

    Args:
        path: The file.
        starts: (n,) where each line begins, in bytes; found by reading the file where it is not given.
    """

    def __init__(self, path: Path, starts: NDArray[np.int64] | None = None) -> None:
        self.path = path
        self.starts = _line_starts(path) if starts is None else starts

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[Item]:
        """All items, in order; the file is read once."""
        try:
            with self.path.open("rb") as stream:
                for number, line in enumerate(stream):
                    yield self._parsed(line, number)
        except OSError as error:
            raise self._broken(error.strerror or str(error)) from error

    def take(self, rows: Sequence[int]) -> list[Item]:
        """The items of some rows, in that order.

        Raises:
            CheckpointError: the file is missing or damaged.
        """
        try:
            with self.path.open("rb") as stream:
                found = []
                for row in rows:
                    stream.seek(int(self.starts[row]))
                    found.append(self._parsed(stream.readline(), row))
                return found
        except OSError as error:
            raise self._broken(error.strerror or str(error)) from error

    def _parsed(self, line: bytes, row: int) -> Item:
        try:
            values = json.loads(line)
            return Item(**{field: values.get(key, "") for key, field in _KEYS.items()})
        except (ValueError, TypeError, AttributeError) as error:
            raise self._broken(f"line {row + 1}: {error}") from error

    def _broken(self, reason: str) -> CheckpointError:
        return CheckpointError(f"{self.path} cannot be read ({reason}); make what it belongs to again")


def id_keys(ids: Iterable[str]) -> NDArray[np.uint64]:
    """(n,) 64 bits of the BLAKE2b digest of each id: finds an id among millions without holding them."""
    digests = (hashlib.blake2b(name.encode(), digest_size=8).digest() for name in ids)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def _line_starts(path: Path) -> NDArray[np.int64]:
    try:
        with path.open("rb") as stream:
            lengths = np.fromiter((len(line) for line in stream), dtype=np.int64)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error}); make it again") from error
    return np.cumsum(lengths) - lengths
