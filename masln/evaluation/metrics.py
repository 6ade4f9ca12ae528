"""Rank metrics: pure functions from a ranking to one figure a query (NaN for a query with nothing relevant)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.errors import ProtocolError, unknown_name
from masln.evaluation.ranking import RankedRelevance

FloatArray = NDArray[np.float64]
DENOMINATORS = ("hits", "min", "all")


def average_precision_at_all(ranking: RankedRelevance) -> FloatArray:
    """AP = mean over the relevant items of the precision at their rank, sum_i (i / rank_i) / R; (m,)."""
    return _per_relevant(_query_sums(ranking, _hit_numbers(ranking) / ranking.ranks), ranking)


def average_precision_at(ranking: RankedRelevance, k: int, *, denominator: str) -> FloatArray:
    """AP@k = (sum over the hits within k of i / rank_i) / denominator, of which three are in use.

    ``hits``: the number of hits within k (0 hits give 0); ``min``: min(R, k); ``all``: R.

    Args:
        ranking: m queries.
        k: Cutoff, at least 1.
        denominator: ``hits``, ``min`` or ``all``.

    Returns:
        (m,) figures.

    Raises:
        ProtocolError: The denominator is unknown or k is no positive number.
    """
    if denominator not in DENOMINATORS:
        raise ProtocolError(unknown_name("mAP denominator", denominator, DENOMINATORS))
    within = _within(ranking, k)
    sums = _query_sums(ranking, within * _hit_numbers(ranking) / ranking.ranks)
    by = {
        "hits": np.maximum(_query_sums(ranking, within), 1.0),
        "min": np.minimum(ranking.n_relevant, k),
        "all": ranking.n_relevant,
    }[denominator]
    return _nan_if_empty(sums / np.maximum(by, 1), ranking)


def precision_at(ranking: RankedRelevance, k: int) -> FloatArray:
    """P@k = hits within k / k, also where the gallery is smaller than k; (m,)."""
    return _nan_if_empty(_query_sums(ranking, _within(ranking, k)) / k, ranking)


def recall_at(ranking: RankedRelevance, k: int) -> FloatArray:
    """Recall@k = hits within k / R; (m,)."""
    return _per_relevant(_query_sums(ranking, _within(ranking, k)), ranking)


def hit_at(ranking: RankedRelevance, k: int) -> FloatArray:
    """R@k of the caption-retrieval tables: 1 where any relevant item is within k, else 0; (m,)."""
    return _nan_if_empty((first_rank(ranking) <= k).astype(np.float64), ranking)


def ndcg_at(ranking: RankedRelevance, k: int) -> FloatArray:
    """NDCG@k with binary gain and discount 1/log2(1 + rank), divided by its best possible value; (m,)."""
    within = _within(ranking, k)
    gain = _query_sums(ranking, within / np.log2(1.0 + ranking.ranks))
    best = np.concatenate([[1.0], np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))])
    ideal = best[np.minimum(ranking.n_relevant, k)]
    return _nan_if_empty(gain / ideal, ranking)


def reciprocal_rank(ranking: RankedRelevance) -> FloatArray:
    """1 / rank of the first relevant item; its mean is the MRR; (m,)."""
    return 1.0 / first_rank(ranking)


def r_precision(ranking: RankedRelevance) -> FloatArray:
    """Precision at R, the query's own number of relevant items; (m,)."""
    inside = ranking.ranks <= np.repeat(ranking.n_relevant, ranking.n_relevant)
    return _per_relevant(_query_sums(ranking, inside), ranking)


def first_rank(ranking: RankedRelevance) -> FloatArray:
    """Rank of the first relevant item, whose median is the median rank of caption retrieval; (m,)."""
    first = np.full(len(ranking), np.nan)
    some = ranking.n_relevant > 0
    first[some] = ranking.ranks[ranking.offsets[:-1][some]]
    return first


def interpolated_precision(ranking: RankedRelevance, recalls: NDArray[Any]) -> FloatArray:
    """Interpolated precision: the highest precision at any rank whose recall is at least the one asked.

    Args:
        ranking: m queries.
        recalls: (p,) ascending, in [0, 1]; ``np.linspace(0, 1, 11)`` gives the 11-point curve.

    Returns:
        (m, p).
    """
    curve = np.full((len(ranking), len(recalls)), np.nan)
    some = ranking.n_relevant > 0
    if not some.any():
        return curve
    precision = _hit_numbers(ranking) / ranking.ranks
    # 1e-9: a recall such as 0.3 * 10 hits must not be rounded up to the next hit
    hit = np.maximum(np.ceil(np.outer(ranking.n_relevant[some], recalls) - 1e-9).astype(np.int64), 1)
    starts = (hit - 1) + ranking.offsets[:-1][some][:, None]
    best = np.maximum.reduceat(precision, starts.ravel()).reshape(starts.shape)
    # the last segment of a query runs on into the next one, unless it is the query's last hit alone
    last = starts[:, -1]
    ends = ranking.offsets[1:][some]
    tails = np.stack([last, ends], axis=1).ravel()
    best[:, -1] = np.maximum.reduceat(np.append(precision, 0.0), tails)[::2]
    curve[some] = np.maximum.accumulate(best[:, ::-1], axis=1)[:, ::-1]
    return curve


def precision_recall_points(ranking: RankedRelevance, query: int) -> tuple[FloatArray, FloatArray]:
    """The full, uninterpolated curve of one query: (R,) recalls i/R and (R,) precisions i/rank_i."""
    ranks = ranking.ranks[ranking.offsets[query] : ranking.offsets[query + 1]]
    hits = np.arange(1, len(ranks) + 1)
    return hits / max(len(ranks), 1), hits / ranks


def _hit_numbers(ranking: RankedRelevance) -> NDArray[np.int64]:
    """1, 2, ... within each query."""
    first = np.repeat(ranking.offsets[:-1], ranking.n_relevant)
    return np.arange(1, len(ranking.ranks) + 1) - first


def _within(ranking: RankedRelevance, k: int) -> NDArray[np.bool_]:
    if k < 1:
        raise ProtocolError(f"a cutoff must be a positive whole number, not {k}")
    return ranking.ranks <= k


def _query_sums(ranking: RankedRelevance, values: NDArray[Any]) -> FloatArray:
    sums = np.zeros(len(ranking))
    some = ranking.n_relevant > 0
    if some.any():
        sums[some] = np.add.reduceat(values.astype(np.float64, copy=False), ranking.offsets[:-1][some])
    return sums


def _per_relevant(sums: FloatArray, ranking: RankedRelevance) -> FloatArray:
    return _nan_if_empty(sums / np.maximum(ranking.n_relevant, 1), ranking)


def _nan_if_empty(values: FloatArray, ranking: RankedRelevance) -> FloatArray:
    return np.where(ranking.n_relevant > 0, values, np.nan)
