"""Pairs drawn from each class for a person to look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from masln.data import PairedDataset

__all__ = ["draw_pairs"]


def draw_pairs(dataset: PairedDataset, *, pairs: int, seed: int) -> list[NDArray[np.intp]]:
    """Draw pairs of each class without replacement.

    Args:
        dataset: What to draw from.
        pairs: How many of each class, or all where it has fewer.
        seed: What is drawn of one class depends on it and on that class's number and rows alone.

    Returns:
        For each class, rows in the order of the dataset; none for a class without pairs.
    """
    drawn = []
    for label in range(len(dataset.class_names)):
        rows = np.flatnonzero(dataset.labels == label)
        chosen = np.random.default_rng([seed, label]).permutation(len(rows))[:pairs]
        drawn.append(rows[np.sort(chosen)])
    return drawn
