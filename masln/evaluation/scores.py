"""Score matrices, block by block, whose values do not depend on how the work is cut."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from masln.errors import DataError, ProtocolError, unknown_name

SIMILARITIES: Final = ("cosine", "euclidean", "dot")
_MOST_ROWS: Final = 512  # ours: rows of one product; more are hardly faster
_ROW_MULTIPLE: Final = 16  # ours; also the fewest rows of a block
_BLOCK_BYTES: Final = 128 * 2**20  # ours: 32 rows of 1,000,000 float32 scores
_TILE_ROWS: Final = 512  # ours: rows normalised and transposed at once
_COLUMN_MULTIPLE: Final = 64  # ours: BLAS kernels round differently in a ragged last tile


def as_codes(codes: ArrayLike, *, name: str) -> NDArray[Any]:
    """Check codes and return them as a 2-d float array (float32 unless they came as float64).

    Args:
        codes: (n, d) numbers.
        name: What to call them in an error.

    Returns:
        (n, d) float16, float32 or float64; integers and booleans become float32.

    Raises:
        DataError: Not 2-d, no row or column, not numeric, or a value that is not finite (its row is named).
    """
    array = np.asarray(codes)
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(f"{name}: codes must be (items, width) with at least one of each, not {array.shape}")
    if array.dtype.kind in "iub":
        array = array.astype(np.float32)
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise DataError(f"{name}: codes must be real numbers of at most 64 bits, not {array.dtype}")
    if not np.isfinite(array).all():
        finite = np.isfinite(array).all(axis=1)
        raise DataError(
            f"{name}: {int((~finite).sum())} of {len(array)} rows hold a value that is not finite, "
            f"the first is row {int(np.argmin(finite))}; look for a diverged training run"
        )
    return array


class ScoreBlocks:
    r"""Scores of all queries against all gallery items, as *costs* (smaller is more similar), a block at a time.

    Cosine: -q.g/(|q||g|), a zero code scoring 0 with everything. Dot: -q.g. Euclidean: |g|^2/2 - q.g after both
    sets are moved by the gallery's mean, which orders the gallery as the distance does. Dot and Euclidean costs
    are multiplied by a power of two that brings them into [-1, 1]; that changes no order (ours).

    A BLAS product may differ in its last bit with the shape of its operands. Here every product of one pair of
    sets has one shape, (rows, d) x (d, columns), both padded with zeros, whatever the chunk or thread count.
    """

    def __init__(self, queries: ArrayLike, gallery: ArrayLike, *, similarity: str = "cosine") -> None:
        """Prepare the operands; the codes themselves are left as they are.

        Args:
            queries: (m, d) codes.
            gallery: (n, d) codes.
            similarity: ``cosine``, ``euclidean`` or ``dot``.
        """
        query_codes = as_codes(queries, name="query codes")
        gallery_codes = as_codes(gallery, name="gallery codes")
        if query_codes.shape[1] != gallery_codes.shape[1]:
            raise DataError(
                f"query codes are {query_codes.shape[1]} wide and gallery codes {gallery_codes.shape[1]}: "
                "encode both modalities into one code layer"
            )
        if similarity not in SIMILARITIES:
            raise ProtocolError(unknown_name("similarity", similarity, SIMILARITIES))
        self.n_queries, self.n_gallery = len(query_codes), len(gallery_codes)
        wanted = np.result_type(query_codes, gallery_codes, np.float32)
        columns = _round_up(self.n_gallery, _COLUMN_MULTIPLE)
        most = min(_MOST_ROWS, max(_BLOCK_BYTES // (columns * wanted.itemsize), _ROW_MULTIPLE))
        self.n_blocks = _round_up(-(-self.n_queries // most), 2)  # even: the blocks are shared out among threads
        self.block_rows = _round_up(-(-self.n_queries // self.n_blocks), _ROW_MULTIPLE)
        self.n_blocks = -(-self.n_queries // self.block_rows)
        rows = self.n_blocks * self.block_rows
        width = query_codes.shape[1] + (similarity == "euclidean")
        self._queries = np.zeros((rows, width), wanted)
        # stored transposed: BLAS then packs it at the full speed of the product even for few rows
        self._gallery = np.zeros((width, columns), wanted)
        left, right = self._queries[: self.n_queries], self._gallery[:, : self.n_gallery].T
        if similarity == "cosine":
            _unit_rows(query_codes, out=left)
            _unit_rows(gallery_codes, out=right)
        elif similarity == "dot":
            for codes, out in ((query_codes, left), (gallery_codes, right)):
                np.multiply(codes, _power_of_two(_largest(codes) * np.sqrt(width)), out=out, casting="same_kind")
        else:
            centre = gallery_codes.mean(axis=0, dtype=np.float64).astype(wanted)
            np.subtract(query_codes, centre, out=left[:, :-1])
            np.subtract(gallery_codes, centre, out=right[:, :-1])
            scale = _power_of_two(max(_largest(left), _largest(right)) * np.sqrt(2.0 * width))
            left *= scale
            right *= scale
            left[:, -1] = -1.0
            right[:, -1] = 0.5 * np.einsum("ij,ij->i", right[:, :-1], right[:, :-1])
        np.negative(self._queries, out=self._queries)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32, or float64 when either set of codes came so."""
        return np.dtype(self._queries.dtype)

    @property
    def padded_gallery(self) -> int:
        """Columns of a block; those from ``n_gallery`` on are padding."""
        return int(self._gallery.shape[1])

    def reorder_queries(self, order: NDArray[np.int64]) -> None:
        """Put the queries into another order: row i becomes the old row ``order[i]``."""
        self._queries[: self.n_queries] = self._queries[order]

    def costs(self, block: int, *, out: NDArray[Any]) -> None:
        """Fill ``out``, (block_rows, padded_gallery), with the costs of one block of queries."""
        start = block * self.block_rows
        np.matmul(self._queries[start : start + self.block_rows], self._gallery, out=out)


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _unit_rows(codes: NDArray[Any], *, out: NDArray[Any]) -> None:
    for start in range(0, len(codes), _TILE_ROWS):
        tile = codes[start : start + _TILE_ROWS].astype(out.dtype, copy=False)
        norms = np.sqrt(np.einsum("ij,ij->i", tile, tile, dtype=np.float64))
        norms[norms == 0.0] = 1.0
        out[start : start + _TILE_ROWS] = tile / norms.astype(out.dtype)[:, None]


def _largest(codes: NDArray[Any]) -> float:
    return max(abs(float(codes.max())), abs(float(codes.min())))


def _power_of_two(bound: float) -> float:
    return float(np.ldexp(1.0, -int(np.ceil(np.log2(bound))))) if bound > 0.0 else 1.0
