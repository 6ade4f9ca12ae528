"""Slow, plain versions of everything that masln.evaluation computes fast."""

from __future__ import annotations

import math

import numpy as np


def similarities(queries, gallery, similarity):
    queries, gallery = np.asarray(queries, np.float64), np.asarray(gallery, np.float64)
    if similarity == "dot":
        return queries @ gallery.T
    if similarity == "euclidean":
        return -((queries[:, None] - gallery[None]) ** 2).sum(axis=2)
    norms = [np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, gallery)]
    return (queries / np.where(norms[0] == 0, 1, norms[0])) @ (gallery / np.where(norms[1] == 0, 1, norms[1])).T


def relevant_ranks(scores, relevant, excluded=-1):
    """1-based ranks of the relevant items: higher scores first, equal ones by index."""
    items = sorted((j for j in range(len(scores)) if j != excluded), key=lambda j: (-scores[j], j))
    return [place for place, j in enumerate(items, start=1) if relevant[j]]


def average_precision(ranks):
    return sum(hit / rank for hit, rank in enumerate(ranks, start=1)) / len(ranks)


def average_precision_at(ranks, k, denominator):
    terms = [hit / rank for hit, rank in enumerate(ranks, start=1) if rank <= k]
    by = {"hits": max(len(terms), 1), "min": min(len(ranks), k), "all": len(ranks)}[denominator]
    return sum(terms) / by


def hits(ranks, k):
    return sum(rank <= k for rank in ranks)


def ndcg(ranks, k):
    gain = sum(1 / math.log2(1 + rank) for rank in ranks if rank <= k)
    return gain / sum(1 / math.log2(1 + place) for place in range(1, min(k, len(ranks)) + 1))


def interpolated(ranks, recall):
    """Highest precision at any rank with at least this recall (compared in whole hits, without rounding)."""
    needed = max(math.ceil(round(recall * 1000) * len(ranks) / 1000 - 1e-9), 1)
    return max(hit / rank for hit, rank in enumerate(ranks, start=1) if hit >= needed)
