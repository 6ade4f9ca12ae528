"""Measures which text feature and which class vectors serve the emoji set best, on seen classes alone.

For each of five random half class splits only the seen half is used, and of it only the official training pairs: they
are parted into two halves of classes, a model is fitted on one and retrieves in the other, both ways round. The unseen
half of a split and the test pairs are never looked at. Three models, so that the choice is not one method's taste:
ridge CCA between the modalities and ridge regression of each modality to the class vectors, each at its best ridge, and
MASLN at the defaults of the day::

    python -m benchmarks.emoji_text_features --out benchmarks/results/emoji_text_features.json
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from data_prep.command_line import one_line_errors, progress
from data_prep.emoji import TEXT_FEATURES, class_vectors, text_features
from masln.data import PairedDataset, load_dataset, make_class_split
from masln.evaluation import retrieval_map
from masln.models import CCA, MASLN

Array = NDArray[Any]
Folds = list[tuple[PairedDataset, PairedDataset]]
Codes = Callable[[PairedDataset, PairedDataset], tuple[Array, Array]]
SPLITS = 5
RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # relative to the mean variance of a feature
CLASS_VECTORS = ("glove", "minilm")


def measure(bundle: str, *, with_masln: bool = True) -> dict[str, Any]:
    """Measure every text feature and class vector under every model.

    Args:
        bundle: A bundle's name or folder; its images, raw texts, labels and split are used.
        with_masln: Also train MASLN, which takes minutes.

    Returns:
        The validation mAP, mean and standard error over splits and directions, for each text feature and model.
    """
    data = load_dataset(bundle)
    assert data.texts is not None and data.split is not None
    table: dict[str, Any] = {"chance": _summary([_random_map(held) for _, held in folds(data)])}
    vectors = {kind: class_vectors(kind) for kind in CLASS_VECTORS}
    for feature in progress(TEXT_FEATURES, "measuring"):
        text = text_features(feature, data.texts.tolist(), data.split == "train")
        scores: dict[str, Any] = {"width": text.shape[1]}
        for kind, vector in vectors.items():
            parts = folds(dataclasses.replace(data, text=text, class_embeddings=vector))
            if kind == CLASS_VECTORS[0]:
                scores["ridge CCA"] = _best_ridge(parts, _cca)
            scores[f"ridge regression to {kind} class vectors"] = _best_ridge(parts, _regression)
            if with_masln:
                scores[f"MASLN with {kind} class vectors"] = _summary([_map(_masln, *part) for part in parts])
        table[feature] = scores
    return table


def folds(data: PairedDataset) -> Folds:
    """(fitting pairs, retrieved pairs) of seen classes, both ways round for each split.

    Args:
        data: The whole set.

    Returns:
        Two folds a split; the two halves of a fold share no class.
    """
    rows, parts = data.rows("train"), []
    for seed in range(SPLITS):
        seen = np.array(make_class_split(data.class_names, rule="random", seed=seed).seen)
        drawn = np.random.default_rng(seed).permutation(seen).tolist()
        half = len(drawn) // 2
        one, other = data.of_classes(drawn[:half], rows), data.of_classes(drawn[half:], rows)
        parts += [(one, other), (other, one)]
    return parts


def _best_ridge(parts: Folds, codes: Callable[[float], Codes]) -> dict[str, float]:
    runs = {ridge: _summary([_map(codes(ridge), *part) for part in parts]) for ridge in RIDGES}
    best = max(runs, key=lambda ridge: runs[ridge]["mAP"])
    return {"ridge": best, **runs[best]}


def _map(codes: Codes, fit: PairedDataset, held: PairedDataset) -> float:
    return float(np.mean(retrieval_map(*codes(fit, held), held.labels, normalize="block")))


def _random_map(held: PairedDataset) -> float:
    image, text = np.random.default_rng(0).standard_normal((2, len(held), 8))
    return float(np.mean(retrieval_map(image, text, held.labels)))


def _summary(values: list[float]) -> dict[str, float]:
    """Mean and standard error; the ten values share the classes of a split, so the error is rather too small."""
    return {"mAP": round(float(np.mean(values)), 4), "se": round(float(np.std(values, ddof=1) / len(values) ** 0.5), 4)}


def _cca(ridge: float) -> Codes:
    def codes(fit: PairedDataset, held: PairedDataset) -> tuple[Array, Array]:
        method = CCA(ridge=ridge, n_components=64, input_scaling="center-l2").fit(fit)
        return method.encode_image(held.image), method.encode_text(held.text)

    return codes


def _masln(fit: PairedDataset, held: PairedDataset) -> tuple[Array, Array]:
    method = MASLN().fit(fit)
    return method.encode_image(held.image), method.encode_text(held.text)


def _regression(ridge: float) -> Codes:
    def codes(fit: PairedDataset, held: PairedDataset) -> tuple[Array, Array]:
        vectors = np.asarray(fit.class_embeddings, dtype=np.float64)[fit.labels]
        wanted = vectors - vectors.mean(axis=0)
        image, text = (
            _regress(getattr(fit, name), wanted, getattr(held, name), ridge=ridge) for name in ("image", "text")
        )
        return image, text

    return codes


def _regress(fit: Array, wanted: Array, held: Array, *, ridge: float) -> Array:
    """Ridge regression on centred, then L2-normalised features; predictions for the held rows."""
    mean = fit.mean(axis=0, dtype=np.float64)
    unit = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9) for x in (fit - mean, held - mean)]
    shift = unit[0].mean(axis=0)
    features, queries = unit[0] - shift, unit[1] - shift
    strength = ridge * float((features**2).sum()) / features.shape[1]  # n times the mean variance
    dual: Array = np.linalg.solve(features @ features.T + strength * np.eye(len(features)), wanted)
    predicted: Array = queries @ (features.T @ dual)
    return predicted


@click.command()
@click.option("--bundle", default="emoji", show_default=True, help="Bundle that gives images, texts and split.")
@click.option("--without-masln", is_flag=True, help="Measure the linear models only.")
@click.option("--out", type=click.Path(path_type=Path), help="Also write the figures there, as JSON.")
@one_line_errors
def main(bundle: str, without_masln: bool, out: Path | None) -> None:
    """Measure the text features and class vectors of the emoji set."""
    table = measure(bundle, with_masln=not without_masln)
    protocol = "mAP@all, both directions averaged, block normalised; seen classes, official training pairs"
    text = json.dumps({"splits": SPLITS, "protocol": protocol, "results": table}, indent=1)
    click.echo(text)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
