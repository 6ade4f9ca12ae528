"""Rows of vectors that lie in several parts, one a segment of a gallery, and candidates among them scored exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from masln.retrieval.top_k import Part, exact_scores, merged

__all__ = ["rescored", "rows_from", "taken"]

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


def rows_from(parts: Sequence[Part], first: int, *, block: int) -> Iterator[tuple[int, Floats]]:
    """Yield the vectors from a row on, in blocks, each after the number of its first row."""
    begin = 0
    for part in parts:
        for start in range(max(first - begin, 0), len(part), block):
            yield begin + start, np.ascontiguousarray(part.vectors[start : start + block])
        begin += len(part)


def taken(parts: Sequence[Part], rows: Rows) -> Floats:
    """The vectors (p, w) of some rows."""
    ends = np.cumsum([len(part) for part in parts])
    of_part = np.searchsorted(ends, rows, side="right")
    found = np.empty((len(rows), parts[0].vectors.shape[1]), dtype=np.float32)
    for number, part in enumerate(parts):
        own = of_part == number
        found[own] = part.vectors[rows[own] - (ends[number] - len(part))]
    return found


def rescored(queries: Floats, parts: Sequence[Part], found: Rows, k: int) -> tuple[Rows, Floats]:
    """The best k of candidates (m, p), scored and ordered as ``exact_top_k`` does; rows below 0 stand for none."""
    of_query, rows = np.repeat(np.arange(len(queries)), found.shape[1]), found.reshape(-1)
    there = rows >= 0
    of_query, rows = of_query[there], rows[there]
    return merged(of_query, rows, exact_scores(queries, of_query, taken(parts, rows)), k, len(queries))
