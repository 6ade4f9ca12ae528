"""A .npy file that grows by rows and gets its name when it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from masln.errors import CheckpointError

__all__ = ["RowsFile"]


class RowsFile:
    """``name.npy`` of rows of one shape and type; hidden as ``.name.npy.partial`` until ``rename``.

    Rows are appended with plain writes: a full disk is then an error that can be reported, where a store into a mapped
    file would end the process. The finished file may be memory-mapped.

    Args:
        folder: Where it lies.
        name: Without the suffix.
        dtype: Of the numbers.
        item_shape: Of one row.
    """

    def __init__(self, folder: Path, name: str, dtype: DTypeLike, item_shape: tuple[int, ...]) -> None:
        self.path = folder / f"{name}.npy"
        self.partial = folder / f".{name}.npy.partial"
        self._dtype, self._item_shape = np.dtype(dtype), item_shape
        self._row_bytes = self._dtype.itemsize * int(np.prod(item_shape))
        self._stream: BinaryIO | None = None

    @contextmanager
    def opened(self, kept: int) -> Iterator[None]:
        """Open the hidden file for ``append``, cut back to its first ``kept`` rows.

        Raises:
            CheckpointError: it holds fewer.
        """
        if kept and not self.partial.exists():
            raise CheckpointError(f"{self.partial} is missing, but its journal is there; delete the journal")
        with self.partial.open("r+b" if self.partial.exists() else "w+b") as self._stream:
            self._write_head(0)
            end = self._stream.tell() + kept * self._row_bytes
            if self._stream.seek(0, os.SEEK_END) < end:
                raise CheckpointError(f"{self.partial} is shorter than its journal says; delete the journal")
            self._stream.truncate(end)
            self._stream.seek(end)
            yield

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows (n, *item_shape); on disk after ``sync``."""
        assert self._stream is not None and rows.dtype == self._dtype and rows.shape[1:] == self._item_shape
        self._stream.write(np.ascontiguousarray(rows).data.cast("B") if rows.size else b"")

    def sync(self) -> None:
        """Wait until everything written is on disk."""
        assert self._stream is not None
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def complete(self, kept: int) -> None:
        """Write the number of rows into the head, which is as long for any number."""
        assert self._stream is not None
        self._write_head(kept)
        self.sync()

    def rename(self, kept: int) -> None:
        """Give the file its name, if it has not got it.

        Raises:
            CheckpointError: it is gone, or not of ``kept`` rows.
        """
        if self.partial.exists():
            os.replace(self.partial, self.path)
        try:
            whole = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{self.path} is missing or damaged, but its journal is there; delete both"
            ) from error
        if whole.shape != (kept, *self._item_shape) or whole.dtype != self._dtype:
            raise CheckpointError(f"{self.path} is not what its journal says; delete both to start anew")

    def _write_head(self, kept: int) -> None:
        assert self._stream is not None
        self._stream.seek(0)
        facts = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(self._stream, facts | {"shape": (kept, *self._item_shape)})
