"""The exact first k of a gallery on disk: a fast product finds who can be among them, float64 decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.features.pipeline import in_order, worker_count

__all__ = ["Part", "exact_scores", "exact_top_k", "merged"]

_SCORES = 1 << 21  # ours: of one block, 8 MB; between 2**18 and 2**23 no difference shows
_MOST_ROWS, _FEWEST_ROWS = 1 << 15, 1 << 10  # ours: of one block
_MOST_QUERIES = 1024  # ours: more are asked in turn
_RESCORED = 1 << 14  # ours: pairs scored in float64 at once
# Relative to |q||g|: what rounding two factors and a sum can make of a product, by Higham (2002), section 3.1; twice
# that, for kernels that part the sum.
_BF16, _FP32 = 2.0**-8, 2.0**-24
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Stored vectors of some items.

    Attributes:
        vectors: (n, w) float32, memory-mapped.
        half: (n, w) the same as bits of bfloat16, which are read first where they are there; or None.
        longest: The largest length of a vector.
    """

    vectors: Floats
    half: NDArray[np.int16] | None = None
    longest: float = 1.0

    def __len__(self) -> int:
        return len(self.vectors)


def exact_top_k(
    queries: Floats,
    parts: Sequence[Part],
    k: int,
    *,
    allowed: NDArray[np.bool_] | None = None,
    workers: int | None = None,
) -> tuple[Rows, Floats]:
    """The k stored vectors of largest inner product with each query; equal ones by row.

    A product in float32 or bfloat16 is off by no more than a known bound. Whatever comes within it of the k-th best so
    far is scored again in float64, so that the result depends neither on the precision nor on how the work is cut
    (ours). A score is the float64 inner product rounded to float32.

    Args:
        queries: (m, w).
        parts: Rows are numbered through them, in order.
        k: At least 1.
        allowed: (n,) which rows may be found; None for all.
        workers: Threads; by default as many as torch would use.

    Returns:
        Rows (m, k), -1 where there are fewer, and their scores, -inf there.
    """
    found = [
        _of_few_queries(queries[start : start + _MOST_QUERIES], parts, k, allowed, workers)
        for start in range(0, max(len(queries), 1), _MOST_QUERIES)
    ]
    return np.concatenate([rows for rows, _ in found]), np.concatenate([scores for _, scores in found])


def exact_scores(queries: Floats, of_query: NDArray[Any], vectors: Floats) -> Floats:
    """Inner products (p,) in float64, rounded to float32: of pair i ``queries[of_query[i]]`` with ``vectors[i]``."""
    scores = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), _RESCORED):
        part = slice(start, start + _RESCORED)
        products = vectors[part].astype(np.float64) * queries[of_query[part]]
        scores[part] = products.sum(axis=1)  # row by row: a score does not depend on its neighbours
    return scores + np.float32(0)  # -0.0 would come before 0.0


def merged(of_query: NDArray[Any], rows: Rows, scores: Floats, k: int, m: int) -> tuple[Rows, Floats]:
    """The best k of each query (m, k) out of (p,) candidates in any order; equal scores by row; rows below 0 last."""
    order = np.lexsort((rows, rows < 0, -scores, of_query))
    of_query, rows, scores = of_query[order], rows[order], scores[order]
    place = np.arange(len(order)) - np.searchsorted(of_query, of_query)
    kept = place < k
    best, best_scores = np.full((m, k), -1, dtype=np.int64), np.full((m, k), -np.inf, dtype=np.float32)
    best[of_query[kept], place[kept]] = rows[kept]
    best_scores[of_query[kept], place[kept]] = scores[kept]
    return best, best_scores


def _of_few_queries(
    queries: Floats, parts: Sequence[Part], k: int, allowed: NDArray[np.bool_] | None, workers: int | None
) -> tuple[Rows, Floats]:
    import torch

    m = len(queries)
    rows, scores = np.full((m, k), -1, dtype=np.int64), np.full((m, k), -np.inf, dtype=np.float32)
    asked = torch.from_numpy(np.ascontiguousarray(queries))
    search = _Search(
        queries, np.linalg.norm(queries.astype(np.float64), axis=1), asked, asked.bfloat16(), k, scores[:, -1].copy()
    )
    number = np.repeat(np.arange(m), k)
    blocks = _blocks(parts, min(max(_SCORES // max(m, 1), _FEWEST_ROWS), _MOST_ROWS), allowed)
    for found in in_order(search.block, blocks, workers=worker_count(workers, concurrent=True)):
        if len(found[0]) == 0:
            continue
        rows, scores = merged(
            np.concatenate([number, found[0]]),
            np.concatenate([rows.reshape(-1), found[1]]),
            np.concatenate([scores.reshape(-1), found[2]]),
            k,
            m,
        )
        search.limits[:] = scores[:, -1]
    return rows, scores


@dataclass(frozen=True)
class _Block:
    part: Part
    start: int
    stop: int
    first_row: int
    allowed: NDArray[np.bool_] | None


def _blocks(parts: Sequence[Part], size: int, allowed: NDArray[np.bool_] | None) -> Iterator[_Block]:
    first = 0
    for part in parts:
        for start in range(0, len(part), size):
            stop = min(start + size, len(part))
            own = None if allowed is None else allowed[first + start : first + stop]
            if own is None or own.all():
                yield _Block(part, start, stop, first + start, None)
            elif own.any():
                yield _Block(part, start, stop, first + start, own)
        first += len(part)


@dataclass(frozen=True)
class _Search:
    """Some queries, and the score of the k-th best that each has so far; blocks may see it a little late."""

    queries: Floats
    lengths: NDArray[np.float64]
    asked: Any
    asked_half: Any
    k: int
    limits: Floats

    def block(self, block: _Block) -> tuple[NDArray[np.int64], Rows, Floats]:
        """Candidates of a block: their query, row and exact score."""
        import torch

        half = block.part.half
        stored = block.part.vectors if half is None else half
        chosen = None if block.allowed is None else np.flatnonzero(block.allowed)
        values = stored[block.start : block.stop] if chosen is None else stored[block.start + chosen]
        if half is None:
            products = (self.asked @ torch.from_numpy(values).T).numpy()
            unit = _FP32 * values.shape[1]
        else:
            products = (self.asked_half @ torch.from_numpy(values).view(torch.bfloat16).T).float().numpy()
            unit = 3 * _BF16 + _FP32 * values.shape[1]
        error = 2 * unit * self.lengths * block.part.longest + 1e-30
        limits = self.limits - error  # float64
        open_ended = np.flatnonzero(np.isneginf(limits))
        if len(open_ended) and products.shape[1] > self.k:
            own = products[open_ended]
            limits[open_ended] = np.partition(own, -self.k, axis=1)[:, -self.k] - 2 * error[open_ended]
        at_least = np.nextafter(limits.astype(np.float32), np.float32(-np.inf))
        of_query, column = np.divmod(np.flatnonzero(products >= at_least[:, None]), products.shape[1])
        rows = column if chosen is None else chosen[column]
        scores = exact_scores(self.queries, of_query, block.part.vectors[block.start + rows])
        good = scores >= self.limits[of_query]
        return of_query[good], block.first_row + rows[good], scores[good]
