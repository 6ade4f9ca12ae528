"""Codes on disk as ``masln encode`` leaves them, of numbers drawn here: no model stands behind them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from masln.retrieval import Codes, Item, ModelFacts, read_codes
from masln.retrieval.items import write_items


def model_facts(**values: Any) -> ModelFacts:
    plain = {"hash": "a" * 64, "run": "runs/a", "method": "cca", "data": "drawn", "data_hash": "0", "code_width": 16}
    return ModelFacts(**{**plain, "similarity": "cosine", **values})


def draw_codes(n: int, *, width: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


def write_drawn(
    folder: Path,
    n: int = 40,
    *,
    seed: int = 0,
    prefix: str = "item",
    modalities: tuple[str, ...] = ("image", "text"),
    classes: tuple[str, ...] = ("cat", "dog"),
    values: np.ndarray | None = None,
    **facts: Any,
) -> Codes:
    """Codes of n items; text i lies near image i."""
    own = model_facts(**facts)
    folder.mkdir()
    image = draw_codes(n, width=own.code_width, seed=seed) if values is None else values
    arrays = {"image": image, "text": image + 0.1 * draw_codes(len(image), width=own.code_width, seed=seed + 1)}
    for modality in modalities:
        np.save(folder / f"{modality}.npy", arrays[modality].astype(np.float32), allow_pickle=False)
        items = [
            Item(f"{prefix}{row}", classes[row % len(classes)] if classes else "", f"text {row}", f"{prefix}{row}.png")
            for row in range(len(image))
        ]
        write_items(folder / f"{modality}.jsonl", items)
    counts = {modality: len(image) for modality in modalities}
    manifest = {"format": 1, "model": own.to_dict(), "counts": counts, "facts": {}, "skipped": []}
    (folder / "codes.json").write_text(json.dumps(manifest), encoding="utf-8")
    return read_codes(folder)
