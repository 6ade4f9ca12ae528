"""A tiny collection: pictures drawn here, and the rows of their table."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from masln.preparation import Preparation

CLASSES = ("cat", "dog", "horse", "sheep")
PER_CLASS = 4
#: Fast ones: GloVe vectors of words, nothing to fit.
FAST: dict[str, Any] = {"text_extractor": "word2vec"}


def draw(file: Path, *, colour: int, number: int) -> None:
    """A picture of noise in the colour of its class."""
    rng = np.random.default_rng([colour, number])
    values = np.full((24, 24, 3), 40, dtype=np.uint8) + rng.integers(0, 60, (24, 24, 3), dtype=np.uint8)
    values[..., colour % 3] += 40 * (1 + colour // 3)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(file)


def make_collection(folder: Path, *, per_class: int = PER_CLASS, suffix: str = ".png") -> list[dict[str, str]]:
    """Draw the pictures under ``folder/photos`` and give a row for each."""
    rows = []
    for colour, name in enumerate(CLASSES):
        for number in range(per_class):
            file = f"{name}{number}{suffix}"
            draw(folder / "photos" / file, colour=colour, number=number)
            texts = (f"a small {name} in the field number {number}", f"the animal stands alone near {number} trees")
            rows.append({"image": file, "class": name, "caption_1": texts[0], "caption_2": texts[1]})
    return rows


def write_table(file: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def settings_of(folder: Path, rows: Iterable[Mapping[str, str]] | None = None, **values: Any) -> Preparation:
    """A preparation of the collection under ``folder``, its table written where rows are given."""
    if rows is not None:
        write_table(folder / "table.csv", list(rows))
    plain = {"images": folder / "photos", "table": folder / "table.csv", "name": "mine"}
    return Preparation(**{**plain, **FAST, **values})


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder, hidden ones too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
