"""What is told of a preparation: the recipe in the manifest, and the lines and counts that a person sees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from masln.data import PairedDataset, counts_of, file_sha256, labels_per_pair
from masln.features import Extractor, fitted_on
from masln.preparation.plan import Plan
from masln.preparation.settings import Preparation

__all__ = ["extractor_record", "guesses_in", "make_recipe", "notes_on"]


def make_recipe(settings: Preparation, plan: Plan, *, skipped: Sequence[str]) -> dict[str, Any]:
    """The choices behind a bundle, without those of the extractors; nothing in it depends on ``workers`` or time."""
    columns = plan.pairs.columns
    drawn = {"rule": "drawn", "test_share": settings.test_share, "seed": settings.seed}
    return {
        "command": "masln prepare",
        "images": Path(settings.images).as_posix(),
        "table": _file(settings.table),
        "checksums": None if settings.checksums is None else _file(settings.checksums),
        "columns": {
            "image": columns.image,
            "text": list(columns.texts),
            "class": columns.label,
            "label_sets": columns.label_sets,
            "split": columns.split,
            "id": columns.id,
            "group": columns.group,
            "guessed": [role for role, _ in columns.guessed],
        },
        "split": drawn if columns.split is None else {"rule": "column"},
        "rows_gathered": settings.gather,
        "captions": settings.captions,
        "class_words_masked": settings.mask_class_words,
        "dtype": settings.dtype,
        "batch_size": settings.batch_size,
        "on_error": settings.on_error,
        "skipped": list(skipped),
        "class_split": None if plan.class_split is None else plan.class_split.to_dict(),
        "class_vectors": plan.class_vectors_record,
    }


def _file(path: str | Path) -> dict[str, str]:
    return {"file": Path(path).name, "sha256": file_sha256(Path(path))}


def extractor_record(extractor: Extractor, *, fit_on: Sequence[str], plan: Plan) -> dict[str, Any]:
    """What a manifest says of an extractor; it is saved in the bundle to run again at query time."""
    class_split = None if plan.class_split is None else plan.class_split.hash
    return {
        "name": extractor.name,
        "hyperparameters": json.loads(json.dumps(extractor.get_params(), default=str)),
        "hash": extractor.hash,
        "layout": extractor.layout,
        "shape": list(extractor.shape),
        "saved": f"extractors/{extractor.modality}",
        "fitted_on": fitted_on(extractor, fit_on, class_split=class_split, training=True),
    }


def guesses_in(plan: Plan) -> tuple[str, ...]:
    """A line for each choice that was not told."""
    lines = [f"guessed: {role} column {', '.join(names)}" for role, names in plan.pairs.columns.guessed]
    if why := plan.class_vectors_record.get("why_not_glove"):
        lines.append(f"guessed: class vectors by the sentence encoder ({why})")
    return tuple(lines)


def notes_on(dataset: PairedDataset, *, rows_of_zeros: int, skipped: int) -> tuple[str, ...]:
    """What a person should know of a bundle."""
    notes = []
    if skipped:
        notes.append(f"{skipped} rows of the table were skipped; the manifest says which and why")
    if rows_of_zeros:
        notes.append(f"{rows_of_zeros} texts have no word that the extractor knows: their rows are zeros")
    if dataset.label_sets is not None:
        mean, several = labels_per_pair(dataset.label_sets)
        notes.append(f"{several} pairs carry several classes ({mean:.2f} a pair); they are counted under the main one")
    counts = counts_of(dataset)
    untrained = [name for name, parts in counts.items() if not parts["train"] + parts["validation"]]
    if untrained:
        notes.append(f"no training pair of {', '.join(untrained)}: these can be unseen classes only")
    alike = [name for name in counts if sum(name.casefold() == other.casefold() for other in counts) > 1]
    if alike:
        notes.append(f"classes that differ in capitals alone: {', '.join(alike)}; are they one?")
    if dataset.groups is not None and dataset.split is not None:
        test = dataset.split == "test"
        parted = len(set(dataset.groups[test].tolist()) & set(dataset.groups[~test].tolist()))
        if parted:
            notes.append(f"{parted} groups or pictures stand in training and in test; see masln data check")
    return tuple(notes)
