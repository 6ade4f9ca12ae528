"""Re-ranking: the first k of a ranking put in order anew by scores of the pairs, the rest left where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from masln.errors import DataError, ProtocolError
from masln.evaluation.ranking import RankedRelevance
from masln.evaluation.scores import ScoreBlocks

PairScore = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[Any]]


@dataclass(frozen=True)
class Reranker:
    """What re-ranks.

    Attributes:
        score: From dataset rows of images and of texts, (p,) each, to the scores (p,) of these pairs, higher is better.
        k: How many items of each ranking are scored, or all where there are fewer.

    Raises:
        ProtocolError: k is below 1.
    """

    score: PairScore
    k: int = 50

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ProtocolError(f"re-ranking needs at least one item of each ranking, not {self.k}")


def top_items(
    query_codes: ArrayLike, gallery_codes: ArrayLike, *, k: int, similarity: str = "cosine"
) -> NDArray[np.int64]:
    """The first k gallery items of each query, as `rank` orders them: equal scores by gallery index.

    Args:
        query_codes: (m, d) codes.
        gallery_codes: (n, d) codes.
        k: At least 1.
        similarity: ``cosine``, ``euclidean`` or ``dot``.

    Returns:
        (m, min(k, n)) gallery indices, the best first.

    Raises:
        DataError: Codes are malformed, or do not fit together.
        ProtocolError: The similarity is unknown, or k is below 1.
    """
    if k < 1:
        raise ProtocolError(f"k must be at least 1, not {k}")
    blocks = ScoreBlocks(query_codes, gallery_codes, similarity=similarity)
    m, n = blocks.n_queries, blocks.n_gallery
    kept = min(k, n)
    found = np.empty((m, kept), np.int64)
    costs = np.empty((blocks.block_rows, blocks.padded_gallery), blocks.dtype)
    for block in range(blocks.n_blocks):
        blocks.costs(block, out=costs)
        start = block * blocks.block_rows
        rows = costs[: min(blocks.block_rows, m - start), :n]
        worst = np.partition(rows, kept - 1, axis=1)[:, kept - 1]
        for row, (own, limit) in enumerate(zip(rows, worst, strict=True), start=start):
            items = np.flatnonzero(own <= limit)  # more than k where the last of them ties with others
            found[row] = items[np.argsort(own[items], kind="stable")[:kept]]
    return found


def rerank_items(items: NDArray[np.int64], scores: ArrayLike) -> NDArray[np.int64]:
    """Put the first items of each ranking in the order of their new scores; equal ones stay as they were.

    Args:
        items: (m, k) gallery indices, the best first.
        scores: (m, k) of these pairs, higher is better.

    Returns:
        (m, k).

    Raises:
        DataError: A score is not finite, or there is not one for each item.
    """
    values = _checked(scores, len(items))
    if values.shape != items.shape:
        raise DataError(f"{items.shape} items need one score each, not scores of shape {values.shape}")
    return np.take_along_axis(items, _order(values), axis=1)


def rerank(ranking: RankedRelevance, scores: ArrayLike) -> RankedRelevance:
    """The ranking after the first k items of each query were put in the order of their new scores.

    Equal scores leave items in their order, and so does every item beyond the first k.

    Args:
        ranking: m queries.
        scores: (m, k), column j of the item that now stands at rank j + 1 (see `top_items`), higher is better.

    Raises:
        DataError: A score is not finite, or the shape does not fit the ranking.
    """
    values = _checked(scores, len(ranking))
    k = values.shape[1]
    if k > ranking.gallery_size:
        raise DataError(f"{k} scores a query but the ranking is of {ranking.gallery_size} items")
    places = np.empty_like(values, dtype=np.int64)
    np.put_along_axis(places, _order(values), np.broadcast_to(np.arange(1, k + 1), values.shape), axis=1)
    query = np.repeat(np.arange(len(ranking)), ranking.n_relevant)
    ranks = ranking.ranks.copy()
    moved = ranks <= k
    ranks[moved] = places[query[moved], ranks[moved] - 1]
    return RankedRelevance(ranking.queries, ranking.offsets, ranks[np.lexsort((ranks, query))], ranking.gallery_size)


def _order(scores: NDArray[Any]) -> NDArray[np.int64]:
    return np.argsort(-scores, axis=1, kind="stable")


def _checked(scores: ArrayLike, m: int) -> NDArray[Any]:
    values = np.asarray(scores)
    if values.ndim != 2 or len(values) != m or values.dtype.kind != "f":
        raise DataError(f"scores must be real numbers ({m}, k), a row a query, not {values.dtype} {values.shape}")
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values).all(axis=1)))
        raise DataError(f"scores of query {row} are not finite; look for a diverged training run")
    return values
