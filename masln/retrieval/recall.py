"""Recall of an approximate search against the exact one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["recall_at"]


def recall_at(found: NDArray[np.int64], exact: NDArray[np.int64]) -> float:
    """Share of the exact rows (m, k) that were found (m, k), over all queries; rows of -1 stand for nothing."""
    there = exact >= 0
    hits = (exact[:, :, None] == found[:, None, :]).any(axis=2) & there
    return float(hits.sum() / max(int(there.sum()), 1))
