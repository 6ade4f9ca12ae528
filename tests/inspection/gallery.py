"""A dataset with pictures on disk and texts, drawn here, with blemishes to find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from masln.data import PairedDataset, write_bundle
from tests.conftest import make_pairs
from tests.preparation.collection import draw

CLASSES = 3
PER_CLASS = 8  # of which the fourth and the eighth are for the test, as in ``make_pairs``
NOUNS = ("harbour", "meadow", "station", "church", "glacier", "runway", "orchard", "stadium")


def make_gallery(folder: Path, **values: Any) -> PairedDataset:
    """Pairs whose pictures lie under ``folder``; every picture and text is of its own."""
    pairs = make_pairs(classes=CLASSES, per_class=PER_CLASS)
    paths, texts = [], []
    for row, label in enumerate(pairs.labels.tolist()):
        path = f"{label}/{row}.png"
        draw(folder / path, colour=label, number=row)
        paths.append(path)
        texts.append(f"picture {row}: the {NOUNS[row % 8]} behind the {NOUNS[(row // 8 + 3 * row + 1) % 8]}")
    fields = {
        "name": "gallery",
        "image": pairs.image,
        "text": pairs.text,
        "labels": pairs.labels,
        "class_names": pairs.class_names,
        "class_embeddings": pairs.class_embeddings,
        "split": pairs.split,
        "ids": np.array([f"pair{row}" for row in range(len(pairs))]),
        "texts": np.array(texts),
        "image_paths": np.array(paths),
        "manifest": {"recipe": {"images": folder.as_posix()}},
    }
    return PairedDataset(**{**fields, **values})


def copy_of(folder: Path, source: str, target: str) -> None:
    """Another file of the same picture, scaled and compressed."""
    with Image.open(folder / source) as image:
        image.resize((48, 48), Image.Resampling.BICUBIC).save(folder / target, "JPEG", quality=90)


def write_gallery(bundle: Path, dataset: PairedDataset, **recipe: Any) -> Path:
    return write_bundle(
        bundle, dataset, licence="CC0", source="drawn", recipe={**dataset.manifest.get("recipe", {}), **recipe}
    )
