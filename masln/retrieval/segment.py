"""Segments: the items that one call added to a gallery, written once and never changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.errors import CheckpointError, DataError
from masln.features import RowsFile
from masln.retrieval.codes import CodeSet
from masln.retrieval.items import ItemFile, id_keys, write_items
from masln.retrieval.top_k import Part
from masln.retrieval.vectors import stored_vectors

__all__ = ["Segment", "as_half", "save_array", "sync_folder", "write_segment"]

_BLOCK = 1 << 16  # ours: rows written at once


@dataclass(frozen=True)
class Segment:
    """Items of one modality that came together.

    Attributes:
        folder: Where it is.
        part: Their vectors.
        items: What each is.
        keys: (n,) of their ids, as ``id_keys``.
        labels: (n,) index into the gallery's class names, -1 for none.
        facts: Where they came from, as of ``Codes``.
    """

    folder: Path
    part: Part
    items: ItemFile
    keys: NDArray[np.uint64]
    labels: NDArray[np.int32]
    facts: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.part)

    @classmethod
    def open(cls, folder: Path, entry: Mapping[str, Any]) -> Segment:
        """Open what ``write_segment`` wrote.

        Raises:
            CheckpointError: a file is missing, truncated, or of another number of rows.
        """
        try:
            # "c": mapped for reading; torch takes no array that it may not write to
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="c", allow_pickle=False) for name in _FILES}
            half = folder / "half.npy"
            own_half = np.load(half, mmap_mode="c", allow_pickle=False) if entry["half"] else None
            arrays |= {} if own_half is None else {"half": own_half}
            if any(len(values) != entry["rows"] for values in arrays.values()):
                raise ValueError(f"{entry['rows']} rows expected")
            part = Part(arrays["vectors"], own_half, float(entry["longest"]))
            items = ItemFile(folder / "items.jsonl", arrays["starts"])
            return cls(folder, part, items, arrays["keys"], arrays["labels"], entry["facts"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{folder} is missing or damaged ({error}); build the gallery again") from error


_FILES = ("vectors", "keys", "labels", "starts")


def write_segment(
    folder: Path,
    codes: CodeSet,
    *,
    similarity: str,
    half: bool,
    number_of: Callable[[str], int],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Write items into a folder of their own and wait until they are on disk.

    Args:
        folder: It is not there yet.
        codes: Of the items.
        similarity: As of ``stored_vectors``.
        half: Keep the vectors in bfloat16 too.
        number_of: From the name of a class to its index.
        facts: Where the items came from.

    Returns:
        Its entry in the gallery's manifest.

    Raises:
        DataError: a code is not finite.
        OSError: the disk refuses.
    """
    folder.mkdir()
    width = stored_vectors(codes.values[:1], similarity).shape[1]
    longest = 0.0
    files = {"vectors": RowsFile(folder, "vectors", np.float32, (width,))}
    if half:
        files["half"] = RowsFile(folder, "half", np.int16, (width,))
    for name, file in files.items():
        with file.opened(0):
            for start in range(0, len(codes.values), _BLOCK):
                vectors = stored_vectors(codes.values[start : start + _BLOCK], similarity)
                lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
                if not np.isfinite(lengths).all():
                    row = start + int(np.argmin(np.isfinite(lengths)))
                    raise DataError(f"the code of {codes.items.take([row])[0].id} is not finite; encode it again")
                longest = max(longest, float(lengths.max()))
                file.append(vectors if name == "vectors" else as_half(vectors))
            file.complete(len(codes.values))
        file.rename(len(codes.values))
    items = list(codes.items)
    write_items(folder / "items.jsonl", items)
    save_array(folder / "starts.npy", ItemFile(folder / "items.jsonl").starts)
    save_array(folder / "keys.npy", id_keys(item.id for item in items))
    save_array(
        folder / "labels.npy", np.array([number_of(item.label) if item.label else -1 for item in items], np.int32)
    )
    sync_folder(folder)
    return {"folder": folder.name, "rows": len(items), "longest": longest, "half": half, "facts": dict(facts)}


def as_half(vectors: NDArray[np.float32]) -> NDArray[np.int16]:
    """Vectors (n, w) as the bits of bfloat16, rounded to the nearest."""
    import torch

    bits: NDArray[np.int16] = torch.from_numpy(vectors).bfloat16().view(torch.int16).numpy()
    return bits


def sync_folder(folder: Path) -> None:
    """Wait until the names of its files are on disk, where the system can tell."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folder
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def save_array(path: Path, values: NDArray[Any]) -> None:
    """Write an array and wait until it is on disk."""
    with path.open("wb") as stream:
        np.save(stream, values, allow_pickle=False)
        stream.flush()
        os.fsync(stream.fileno())
