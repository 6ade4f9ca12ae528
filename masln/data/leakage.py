"""The leakage report: what in a dataset could flatter a result, counted."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.data.label_sets import labels_per_pair
from masln.data.paired import PairedDataset

__all__ = ["leakage_report"]

FEW_PAIRS = 5  # PROTOCOL, leakage report


def leakage_report(dataset: PairedDataset, *, features: bool = True) -> dict[str, Any]:
    """Count the blemishes that PROTOCOL.md names; ``masln.inspection.check_dataset`` adds near-duplicates.

    Args:
        dataset: What to look at.
        features: Look at the features too; without, none is read, and rows, identical pairs and dimensions are left
            out of the report.

    Returns:
        ``pairs``, ``classes``; ``image_rows_shared_by_train_and_test`` and the same for ``text`` (test rows whose
        feature also stands in training); ``duplicate_image_rows``, ``duplicate_text_rows`` (rows beyond the first
        of their kind); ``identical_pairs``; ``groups_parted`` (groups with pairs in train and in test);
        ``texts_naming_their_class``, any class that they carry (None without raw text); ``classes_with_few_pairs`` and
        ``classes_without_test_pair`` (names, by main class); with label sets also ``labels_per_pair`` (mean) and
        ``pairs_with_several_labels``; ``constant_image_dimensions`` and ``..text..``;
        ``non_finite_image_rows`` and ``..text..``; ``class_embeddings`` (``complete``, ``absent``, or the names
        whose vector is zero or not finite).
    """
    n_classes = len(dataset.class_names)
    in_test = np.zeros(len(dataset), dtype=bool) if dataset.split is None else dataset.split == "test"
    report: dict[str, Any] = {"pairs": len(dataset), "classes": n_classes, "test_pairs": int(in_test.sum())}
    if dataset.label_sets is not None:
        report["labels_per_pair"], report["pairs_with_several_labels"] = labels_per_pair(dataset.label_sets)
    if features:
        report |= _repeated_rows(dataset, in_test)
    if dataset.groups is not None:
        report["groups_parted"] = len(np.intersect1d(dataset.groups[in_test], dataset.groups[~in_test]))
    report["texts_naming_their_class"] = _texts_naming_class(dataset)
    counts = np.bincount(dataset.labels, minlength=n_classes)
    tests = np.bincount(dataset.labels[in_test], minlength=n_classes)
    report["classes_with_few_pairs"] = [dataset.class_names[c] for c in np.flatnonzero(counts < FEW_PAIRS).tolist()]
    report["classes_without_test_pair"] = [dataset.class_names[c] for c in np.flatnonzero(tests == 0).tolist()]
    for name in ("image", "text") if features else ():
        constant, broken = _constant_and_broken(getattr(dataset, name))
        report[f"constant_{name}_dimensions"], report[f"non_finite_{name}_rows"] = constant, broken
    report["class_embeddings"] = _embedding_coverage(dataset)
    return report


def _repeated_rows(dataset: PairedDataset, in_test: NDArray[np.bool_]) -> dict[str, int]:
    report = {}
    keys = {name: _row_keys(getattr(dataset, name)) for name in ("image", "text")}
    for name, key in keys.items():
        report[f"{name}_rows_shared_by_train_and_test"] = int(np.isin(key[in_test], key[~in_test]).sum())
        report[f"duplicate_{name}_rows"] = len(key) - len(np.unique(key))
    both = np.stack([keys["image"], keys["text"]], axis=1)
    report["identical_pairs"] = len(both) - len(np.unique(both, axis=0))
    return report


def _row_keys(values: NDArray[Any]) -> NDArray[np.int64]:
    """An integer for each distinct row, equal rows having equal integers."""
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(np.asarray(row).tobytes(), len(seen)) for row in values], dtype=np.int64)


def _texts_naming_class(dataset: PairedDataset) -> int | None:
    if dataset.texts is None:
        return None
    patterns = [_name_pattern(name) for name in dataset.class_names]
    sets = dataset.label_sets
    own = dataset.labels[:, None].tolist() if sets is None else [np.flatnonzero(row).tolist() for row in sets]
    return sum(any(patterns[c].search(text) for c in of) for of, text in zip(own, dataset.texts, strict=True))


def _name_pattern(name: str) -> re.Pattern[str]:
    """The name's words in sequence, singular or plural, whatever joins them (BareLand, bare-land, bare lands)."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name) or [name]
    stems = [re.escape(re.sub(r"(?<=\w\w\w)e?s$", "", word)) for word in words]
    return re.compile(r"\b" + r"(?:e?s)?[\s_-]*".join(stems) + r"(?:e?s)?\b", re.IGNORECASE)


def _constant_and_broken(values: NDArray[Any]) -> tuple[int, int]:
    width = values.shape[-1]
    low, high, broken = np.full(width, np.inf), np.full(width, -np.inf), 0
    for start in range(0, len(values), 4096):
        block = np.asarray(values[start : start + 4096])
        broken += int((~np.isfinite(block).reshape(len(block), -1).all(axis=1)).sum())
        flat = block.reshape(-1, width)
        low, high = np.minimum(low, flat.min(axis=0)), np.maximum(high, flat.max(axis=0))
    return int((low == high).sum()), broken


def _embedding_coverage(dataset: PairedDataset) -> str | list[str]:
    if dataset.class_embeddings is None:
        return "absent"
    vectors = np.asarray(dataset.class_embeddings, dtype=np.float64)
    bad = ~np.isfinite(vectors).all(axis=1) | (np.abs(vectors).sum(axis=1) == 0)
    return [dataset.class_names[c] for c in np.flatnonzero(bad).tolist()] or "complete"
