"""How many pairs each class has in each part of the official split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.data.paired import SPLITS, PairedDataset

__all__ = ["carried_counts_of", "counts_of"]

Counts = dict[str, dict[str, int]]


def counts_of(dataset: PairedDataset) -> Counts:
    """Pairs of each class, the main one where they carry several, by part of the split.

    Of a dataset without a split, all are under ``unsplit``.
    """
    classes = len(dataset.class_names)
    return _by_part(dataset, lambda rows: np.bincount(dataset.labels[rows], minlength=classes))


def carried_counts_of(dataset: PairedDataset) -> Counts | None:
    """Pairs that carry each class, as their main one or beside it, by part of the split; None without label sets.

    They add up to more than there are pairs.
    """
    sets = dataset.label_sets
    return None if sets is None else _by_part(dataset, lambda rows: sets[rows].sum(axis=0))


def _by_part(dataset: PairedDataset, count: Callable[[Any], NDArray[np.intp]]) -> Counts:
    if dataset.split is None:
        parts = {"unsplit": count(slice(None))}
    else:
        parts = {part: count(dataset.split == part) for part in SPLITS}
    return {
        name: {part: int(counts[number]) for part, counts in parts.items()}
        for number, name in enumerate(dataset.class_names)
    }
