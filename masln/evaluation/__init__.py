"""Ranking, metrics, protocol and statistics of retrieval; works on arrays of codes and imports no model."""

from __future__ import annotations

from masln.evaluation.critical_difference import CriticalDifference, critical_difference, nemenyi_quantile
from masln.evaluation.evaluation import DIRECTIONS, Evaluation, evaluate, random_codes
from masln.evaluation.metrics import (
    average_precision_at,
    average_precision_at_all,
    first_rank,
    hit_at,
    interpolated_precision,
    ndcg_at,
    precision_at,
    precision_recall_points,
    r_precision,
    recall_at,
    reciprocal_rank,
)
from masln.evaluation.normalize import block_normalize
from masln.evaluation.precision import average_precision, mean_average_precision, retrieval_map
from masln.evaluation.protocol import Protocol
from masln.evaluation.rank import iterate_rankings, map_rankings, rank
from masln.evaluation.ranking import RankedRelevance
from masln.evaluation.rerank import PairScore, Reranker, rerank, rerank_items, top_items
from masln.evaluation.result import RECALLS, DirectionResult, query_metrics, score_direction
from masln.evaluation.scores import SIMILARITIES
from masln.evaluation.settings import PARTS, PartRows, SeenUnseen, part_rows
from masln.evaluation.statistics import (
    Agreement,
    Interval,
    Wins,
    bootstrap_interval,
    count_wins,
    holm,
    order_agreement,
    paired_permutation_test,
    paired_t_test,
    student_interval,
)

__all__ = [
    "DIRECTIONS",
    "PARTS",
    "RECALLS",
    "SIMILARITIES",
    "Agreement",
    "CriticalDifference",
    "DirectionResult",
    "Evaluation",
    "Interval",
    "PairScore",
    "PartRows",
    "Protocol",
    "RankedRelevance",
    "Reranker",
    "SeenUnseen",
    "Wins",
    "average_precision",
    "average_precision_at",
    "average_precision_at_all",
    "block_normalize",
    "bootstrap_interval",
    "count_wins",
    "critical_difference",
    "evaluate",
    "first_rank",
    "hit_at",
    "holm",
    "interpolated_precision",
    "iterate_rankings",
    "map_rankings",
    "mean_average_precision",
    "ndcg_at",
    "nemenyi_quantile",
    "order_agreement",
    "paired_permutation_test",
    "paired_t_test",
    "part_rows",
    "precision_at",
    "precision_recall_points",
    "query_metrics",
    "r_precision",
    "random_codes",
    "rank",
    "recall_at",
    "reciprocal_rank",
    "rerank",
    "rerank_items",
    "retrieval_map",
    "score_direction",
    "student_interval",
    "top_items",
]
