"""Exported encoders on real data: how far their codes are from the model's, what they find, and how fast they run.

    python -m benchmarks.exported --data-root ../shared/data [--threads 1] [--out benchmarks/results/exported.json]

Methods are trained on the Wikipedia features (CNN-128 images, LDA-10 text) on one class split, exported to ONNX, and
encode all pairs by onnxruntime and by torch. Ids: of each pair's text among all images, the ten nearest by cosine, by
codes of either; the share that is equal, place by place. Throughput: both encode all images in one process, in turn,
the best of several rounds each; given is the ratio.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import json
import platform
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import wikipedia_features
from benchmarks.evaluation import best_of
from masln.data import PairedDataset, load_dataset
from masln.experiments import Export, RunConfig, export_run, run_experiment
from masln.models import OPSET, OnnxEncoder
from masln.reporting import model_card
from masln.retrieval import Part, exact_top_k, stored_vectors
from masln.saving import write_atomically

METHODS = ("cca", "kcca", "scm", "masln", "infonce", "fusionembedding")
K = 10


def equal_ids(images: tuple[NDArray[Any], NDArray[Any]], texts: tuple[NDArray[Any], NDArray[Any]]) -> float:
    """Share of the ten nearest images of each text that both find at the same place; model first, export second."""
    rows = []
    for image, text in zip(images, texts, strict=True):
        found, _ = exact_top_k(stored_vectors(text, "cosine"), [Part(stored_vectors(image, "cosine"))], K)
        rows.append(found)
    return float((rows[0] == rows[1]).mean())


def measure(export: Export, data: PairedDataset, *, rounds: int, threads: int) -> dict[str, Any]:
    """Hold an export against its model on all pairs."""
    graphs = {name: OnnxEncoder(export.folder / own.file, threads=threads) for name, own in export.encoders.items()}
    image = export.method.encode_image(data.image), graphs["image"].encode(data.image)
    text = export.method.encode_text(data.text), graphs["text"].encode(data.text)
    seconds = best_of(
        {
            "torch": lambda: export.method.encode_image(data.image),
            "onnxruntime": lambda: graphs["image"].encode(data.image),
        },
        rounds,
    )
    return {
        "code_width": export.model.code_width,
        "largest_difference": {
            "image": float(np.abs(image[0] - image[1]).max()),
            "text": float(np.abs(text[0] - text[1]).max()),
        },
        "largest_code": {"image": float(np.abs(image[0]).max()), "text": float(np.abs(text[0]).max())},
        "top_10_ids_equal": equal_ids(image, text),
        "times_as_fast_as_torch": seconds["torch"] / seconds["onnxruntime"],
        "images_per_second": {name: len(data) / own for name, own in seconds.items()},
        "bytes": {name: (export.folder / own.file).stat().st_size for name, own in export.encoders.items()},
    }


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path), required=True, help="Folder of the research data.")
@click.option("--method", "methods", multiple=True, default=METHODS, show_default=True)
@click.option("--threads", default=1, show_default=True)
@click.option("--rounds", default=7, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/exported.json"))
def main(data_root: Path, methods: tuple[str, ...], threads: int, rounds: int, seed: int, out: Path) -> None:
    """Measure, print and write."""
    import onnxruntime
    import torch

    torch.set_num_threads(threads)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bundle = wikipedia_features(data_root, folder / "wikipedia")
        data = load_dataset(bundle)
        for method in methods:
            config = RunConfig(method=method, data=str(bundle), baselines=(), select=False, device="cpu", seed=seed)
            run_experiment(config, folder / method)
            export = export_run(folder / method, folder / f"{method}-onnx", format="onnx", describe=model_card)
            found[method] = measure(export, data, rounds=rounds, threads=threads)
            click.echo(f"{method}: {json.dumps(found[method])}")
    versions = {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__, "opset": OPSET}
    result = {
        "machine": platform.machine(),
        "versions": versions,
        "threads": threads,
        "data": data.name,
        "pairs": len(data),
        "seed": seed,
        "methods": found,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
