"""How many pairs each class has in each part of the official split."""

from __future__ import annotations

import numpy as np

from masln.data.paired import SPLITS, PairedDataset

__all__ = ["counts_of"]


def counts_of(dataset: PairedDataset) -> dict[str, dict[str, int]]:
    """Pairs of each class by part of the split; of a dataset without one, all under ``unsplit``."""
    classes = len(dataset.class_names)
    parts = {"unsplit": np.bincount(dataset.labels, minlength=classes)}
    if dataset.split is not None:
        parts = {part: np.bincount(dataset.labels[dataset.split == part], minlength=classes) for part in SPLITS}
    return {
        name: {part: int(counts[number]) for part, counts in parts.items()}
        for number, name in enumerate(dataset.class_names)
    }
