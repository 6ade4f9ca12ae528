"""Plots of an experiment: losses, discriminator health, precision-recall, a map of the codes (extra ``plots``)."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from masln.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from masln.experiments import Experiment

__all__ = ["code_map", "draw_plots", "plots_available"]

# Okabe and Ito's colours, told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MOST_POINTS = 1500  # of the t-SNE map, which takes seconds beyond that; ours


def plots_available() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw_plots(directory: Path) -> list[Path]:
    """Draw what the first run of the experiment's method and its baselines left, into ``plots/``.

    Returns:
        The files: ``losses.png`` and ``discriminator.png`` (methods that train step by step),
        ``precision_recall.png``, ``code_map.png``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    if not plots_available():
        raise MissingExtraError("matplotlib", "plots", "drawing plots")
    from masln.experiments import read_experiment

    experiment = read_experiment(directory)
    folder = directory / "plots"
    folder.mkdir(exist_ok=True)
    config = experiment.config
    first = directory / config.method / f"split0-seed{config.first_method_seed}"
    figures: dict[str, Figure] = {"precision_recall": _precision_recall(experiment)}
    history = _history(first / "events.jsonl")
    if history:
        figures["losses"] = _losses(history)
        if "discriminator_accuracy" in history[0]:
            figures["discriminator"] = _discriminator(history)
    figures["code_map"] = code_map(config.data, first, experiment.records[0].method)
    written = []
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)
        written.append(folder / f"{name}.png")
    return written


def _figure(**options: Any) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure  # not pyplot: no display, no global state

    figure = Figure(layout="constrained", figsize=options.pop("size", (6.4, 4.2)))
    axes = figure.subplots(**options)
    for axis in np.atleast_1d(axes).flat:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _history(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _losses(history: list[dict[str, float]]) -> Figure:
    figure, axis = _figure()
    names = [name for name in history[0] if name not in ("epoch", "discriminator_accuracy", "validation_map")]
    epochs = [event["epoch"] for event in history]
    for name, colour in zip(names, COLOURS, strict=False):
        axis.plot(epochs, [event[name] for event in history], color=colour, label=name)
    axis.set(xlabel="epoch", ylabel="mean loss over the epoch (log scale)", yscale="log", title="Losses while training")
    figure.legend(frameon=False, loc="outside right center")
    return figure


def _discriminator(history: list[dict[str, float]]) -> Figure:
    figure, axes = _figure(ncols=2, size=(8.0, 3.4))
    epochs = [event["epoch"] for event in history]
    goals = (("adversarial", float(np.log(2)), "ln 2"), ("discriminator_accuracy", 0.5, "chance"))
    for axis, (name, goal, word) in zip(axes, goals, strict=True):
        axis.plot(epochs, [event[name] for event in history], color=COLOURS[0])
        axis.axhline(goal, color="0.4", linestyle="--", linewidth=1)
        axis.annotate(word, (epochs[-1], goal), xytext=(4, 0), textcoords="offset points", color="0.3", va="center")
        axis.set(xlabel="epoch", title=("loss" if name == "adversarial" else "accuracy") + " of the discriminator")
    axes[1].set_ylim(0, 1)
    return figure


def _precision_recall(experiment: Experiment) -> Figure:
    parts = [part for part in experiment.records[0].parts if part != "harmonic" and not part.startswith("generalized")]
    parts = parts or [part for part in experiment.records[0].parts if part != "harmonic"]
    figure, axes = _figure(ncols=2, nrows=len(parts), size=(8.4, 3.3 * len(parts)), squeeze=False, sharey=True)
    methods = list(dict.fromkeys(record.method for record in experiment.records))
    recall = np.linspace(0, 1, 11)
    for row, part in zip(axes, parts, strict=True):
        for axis, direction in zip(row, ("i2t", "t2i"), strict=True):
            for method, colour in zip(methods, COLOURS, strict=False):
                curves = [
                    record.parts[part][direction]["eleven_point_precision"]
                    for record in experiment.records
                    if record.method == method
                ]
                axis.plot(recall, np.mean(curves, axis=0), color=colour, marker="o", markersize=3, label=method)
            arrow = "image → text" if direction == "i2t" else "text → image"
            axis.set(title=f"{part}: {arrow}", xlabel="recall", xlim=(0, 1), ylim=(0, 1))
        row[0].set_ylabel("precision (11 points)")
    axes[0, 1].legend(frameon=False)
    return figure


def code_map(data: str, run: Path, name: str) -> Figure:
    """Draw the t-SNE map of a run's test codes of both modalities, unseen and seen classes apart, coloured by class.

    Args:
        data: Bundled name, or path of the bundle that the run was made on.
        run: Folder of the run.
        name: What its method is called.
    """
    from masln.data import load_dataset
    from masln.evaluation import block_normalize
    from masln.experiments import RunDirectory
    from masln.models import load_method

    dataset = load_dataset(data)
    own = RunDirectory(run)
    method, class_split = load_method(own.model), own.read_split()
    rows = dataset.rows("test")
    if 2 * len(rows) > MOST_POINTS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_POINTS // 2, replace=False))
    text_mask = None if dataset.text_mask is None else dataset.text_mask[rows]
    codes = [
        block_normalize(method.encode_image(np.asarray(dataset.image[rows]))),
        block_normalize(method.encode_text(np.asarray(dataset.text[rows]), text_mask)),
    ]
    points = _project(np.concatenate(codes))
    figure, axes = _figure(ncols=2, size=(12.6, 6.2), sharex=True, sharey=True)
    labels = np.concatenate([dataset.labels[rows]] * 2)
    modality = np.repeat([0, 1], len(rows))
    for axis, (title, classes) in zip(
        axes, (("unseen classes", class_split.unseen), ("seen classes", class_split.seen)), strict=True
    ):
        _scatter(axis, points, labels, modality, classes, dataset.class_names)
        axis.set(title=f"{title} (test pairs)", xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    figure.suptitle(f"{name}: codes of images (●) and texts (×), t-SNE; other classes in grey")
    return figure


def _project(codes: NDArray[np.float32]) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE

    unit = codes / np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-12)
    perplexity = min(30.0, (len(unit) - 1) / 3)
    points: NDArray[np.float32] = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(unit)
    return points


def _scatter(
    axis: Any,
    points: NDArray[np.float32],
    labels: NDArray[np.int64],
    modality: NDArray[np.int64],
    classes: tuple[int, ...],
    names: tuple[str, ...],
) -> None:
    from matplotlib import colormaps

    others = ~np.isin(labels, classes)
    axis.scatter(*points[others].T, s=6, color="0.88", linewidths=0)
    palette = [colormaps[name](shade) for name in ("tab20", "tab20b") for shade in range(20)]
    for number, c in enumerate(classes):
        colour = palette[number % len(palette)]
        for kind, marker in ((0, "o"), (1, "x")):
            chosen = (labels == c) & (modality == kind)
            axis.scatter(*points[chosen].T, s=20, color=[colour], marker=marker, linewidths=1 if kind else 0)
        axis.scatter([], [], color=[colour], label=names[c])
    if classes:
        axis.legend(frameon=False, fontsize=7, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.01))
