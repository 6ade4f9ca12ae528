"""Features of items to features of pairs, block by block, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.errors import DataError
from masln.features import CaptionRows, RowsFile, pool_captions

__all__ = ["gather_rows", "pool_rows", "zero_rows"]

_BLOCK = 16 << 20  # bytes in memory at once; ours, so that a grid of regions and a short vector cost the same


def gather_rows(
    source: NDArray[Any], rows: NDArray[np.integer[Any]], folder: Path, name: str, *, dtype: str
) -> NDArray[Any]:
    """Write ``source[rows]`` as ``name.npy``; nothing is written where it would be the source.

    Args:
        source: (m, ...), memory-mapped.
        rows: (n,) which of its rows.
        folder: Where to; made when missing.
        name: Of the file.
        dtype: Of the numbers.

    Returns:
        (n, ...), memory-mapped.

    Raises:
        DataError: a number is too large for ``dtype``.
    """
    if source.dtype == dtype and len(rows) == len(source) and np.array_equal(rows, np.arange(len(rows))):
        return source
    steps = _steps(source, len(rows))
    blocks = (source[rows[start:stop]] for start, stop in steps)
    return _written(blocks, folder, name, dtype, source.shape[1:])


def pool_rows(source: NDArray[Any], texts: CaptionRows, folder: Path, name: str, *, dtype: str) -> NDArray[Any]:
    """Write the pooled captions of each pair as ``name.npy``; see ``pool_captions``.

    Args:
        source: (m, ...) features of all ``texts``, memory-mapped.
        texts: What was encoded.
        folder: Where to; made when missing.
        name: Of the file.
        dtype: Of the numbers.

    Returns:
        (n, ...), memory-mapped, n the pairs that the policy makes.

    Raises:
        DataError: a number is too large for ``dtype``.
    """
    if texts.policy != "mean" or len(np.unique(texts.owners)) == len(texts.owners):
        return gather_rows(source, np.arange(len(source)), folder, name, dtype=dtype)
    starts = np.append(np.flatnonzero(np.diff(texts.owners, prepend=-1)), len(texts.owners))

    def blocks() -> Iterator[NDArray[Any]]:
        for start, stop in _steps(source, len(starts) - 1):
            own = slice(int(starts[start]), int(starts[stop]))
            part = CaptionRows(texts.texts[own], texts.owners[own], texts.policy)
            yield pool_captions(source[own], part)

    return _written(blocks(), folder, name, dtype, source.shape[1:])


def zero_rows(values: NDArray[Any]) -> int:
    """How many rows hold nothing but zeros."""
    return sum(
        int((~np.asarray(values[start:stop]).reshape(stop - start, -1).any(axis=1)).sum())
        for start, stop in _steps(values, len(values))
    )


def _steps(values: NDArray[Any], count: int) -> Iterator[tuple[int, int]]:
    size = max(1, _BLOCK // max(1, values.itemsize * int(np.prod(values.shape[1:]))))
    return ((start, min(start + size, count)) for start in range(0, count, size))


def _written(
    blocks: Iterator[NDArray[Any]], folder: Path, name: str, dtype: str, shape: tuple[int, ...]
) -> NDArray[Any]:
    done = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = RowsFile(folder, name, dtype, shape)
        with file.opened(0):
            for block in blocks:
                with np.errstate(over="ignore"):
                    rows = block.astype(dtype)
                if not np.isfinite(rows).all():
                    raise DataError(f"a number of the {name} features is too large for {dtype}; take --dtype float32")
                file.append(rows)
                done += len(rows)
            file.complete(done)
        file.rename(done)
    except OSError as error:
        raise DataError(f"cannot write {folder / name}.npy ({error.strerror or error}); mend that and go on") from error
    values: NDArray[Any] = np.load(file.path, mmap_mode="r", allow_pickle=False)
    return values
