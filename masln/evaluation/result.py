"""The result of one direction of retrieval: every metric, overall, per class and per query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from masln.evaluation import metrics as m
from masln.evaluation.protocol import Protocol
from masln.evaluation.rank import map_rankings
from masln.evaluation.ranking import RankedRelevance
from masln.evaluation.rerank import rerank

RECALLS: Final = np.linspace(0.0, 1.0, 101)  # ours: every tenth is one of the 11 points


@dataclass(frozen=True, eq=False)
class DirectionResult:
    """All figures of one direction.

    Attributes:
        rows: (m,) the dataset row of each query.
        labels: (m,) class id of each query.
        per_query: metric -> (m,) figures; NaN where a query has nothing relevant.
        metrics: metric -> mean over the queries that have something relevant; ``median_rank`` is the median.
        per_class: class id -> mAP@all of its queries; with relevance ``shared-label`` of all that carry the class.
        precision_recall: (101,) mean interpolated precision at recall 0, .01, ..., 1.
        gallery_size: How many items were searched.
        skipped: How many queries had nothing relevant.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    per_query: Mapping[str, NDArray[np.float64]]
    metrics: Mapping[str, float]
    per_class: Mapping[int, float]
    precision_recall: NDArray[np.float64]
    gallery_size: int
    skipped: int

    @property
    def average_precision(self) -> NDArray[np.float64]:
        """(m,) AP@all of each query."""
        return self.per_query["mAP"]

    @property
    def eleven_point(self) -> NDArray[np.float64]:
        """(11,) mean interpolated precision at recall 0, .1, ..., 1."""
        return self.precision_recall[::10]

    def to_dict(self) -> dict[str, Any]:
        """Give the figures (not the per-query arrays) as JSON values; a figure without a query is null."""
        return {
            "queries": len(self.rows),
            "gallery": self.gallery_size,
            "skipped": self.skipped,
            "metrics": {name: _json(value) for name, value in self.metrics.items()},
            "per_class_mAP": {str(label): _json(value) for label, value in self.per_class.items()},
            "eleven_point_precision": [_json(value) for value in self.eleven_point],
        }


def score_direction(
    query_codes: NDArray[Any],
    gallery_codes: NDArray[Any],
    query_relevance: NDArray[Any],
    gallery_relevance: NDArray[Any],
    *,
    protocol: Protocol,
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    new_scores: NDArray[Any] | None = None,
    threads: int | None = None,
) -> DirectionResult:
    """Rank the gallery for each query and compute all metrics of the protocol.

    Args:
        query_codes: (m, d), normalised already where the protocol says so.
        gallery_codes: (n, d).
        query_relevance: (m,) whole numbers, or (m, n_classes) bool label sets.
        gallery_relevance: (n,) whole numbers; equal ones are relevant to each other. Or (n, n_classes) label sets;
            those that share a class are.
        protocol: Similarity, relevance, cutoffs and the mAP@k denominator are read.
        rows: (m,) dataset rows of the queries, to report.
        labels: (m,) class ids of the queries, to report and, without label sets, to average within.
        new_scores: (m, k) of the first k items of each ranking, which are put in their order (see `rerank`).
        threads: At most this many.
    """

    def figures(ranking: RankedRelevance) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]], NDArray[Any]]:
        if new_scores is not None:
            ranking = rerank(ranking, new_scores[ranking.queries])
        return ranking.queries, *query_metrics(ranking, protocol=protocol)

    chunks = map_rankings(
        figures,
        *(query_codes, gallery_codes, query_relevance, gallery_relevance),
        similarity=protocol.similarity,
        threads=threads,
    )
    order = np.argsort(np.concatenate([queries for queries, _, _ in chunks]), kind="stable")
    per_query = {name: np.concatenate([found[name] for _, found, _ in chunks])[order] for name in chunks[0][1]}
    curve = np.concatenate([curve for _, _, curve in chunks])[order]
    scored = ~np.isnan(per_query["mAP"])
    means = {name: _mean(values[scored]) for name, values in per_query.items() if name != "first_rank"}
    if protocol.relevance == "instance":
        first = per_query["first_rank"][scored]
        means["median_rank"] = float(np.median(first)) if len(first) else float("nan")
    if protocol.relevance == "shared-label":
        carriers = {c: query_relevance[:, c] for c in np.flatnonzero(query_relevance.any(axis=0)).tolist()}
    else:
        carriers = {c: labels == c for c in np.unique(labels).tolist()}
    return DirectionResult(
        rows=rows,
        labels=labels,
        per_query=per_query,
        metrics=means,
        per_class={c: _mean(per_query["mAP"][scored & chosen]) for c, chosen in carriers.items()},
        precision_recall=curve[scored].mean(axis=0) if scored.any() else np.full(len(RECALLS), np.nan),
        gallery_size=len(gallery_codes),
        skipped=int((~scored).sum()),
    )


def query_metrics(
    ranking: RankedRelevance, *, protocol: Protocol
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Compute every per-query metric of a protocol: name -> (m,) figures, and the (m, 101) precision-recall curve.

    The names: ``mAP``, ``MRR``, ``R-precision``, ``first_rank``, and at each cutoff k ``mAP@k``, ``precision@k``,
    ``recall@k``, ``nDCG@k``; for relevance ``instance`` also ``R@k`` (1 where any match is within k).
    """
    figures = {
        "mAP": m.average_precision_at_all(ranking),
        "MRR": m.reciprocal_rank(ranking),
        "R-precision": m.r_precision(ranking),
        "first_rank": m.first_rank(ranking),
    }
    for k in protocol.cutoffs:
        figures[f"mAP@{k}"] = m.average_precision_at(ranking, k, denominator=protocol.map_denominator)
        figures[f"precision@{k}"] = m.precision_at(ranking, k)
        figures[f"recall@{k}"] = m.recall_at(ranking, k)
        figures[f"nDCG@{k}"] = m.ndcg_at(ranking, k)
        if protocol.relevance == "instance":
            figures[f"R@{k}"] = m.hit_at(ranking, k)
    return figures, m.interpolated_precision(ranking, RECALLS)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _json(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
