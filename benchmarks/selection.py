"""How much choosing on validation classes gains from work that configurations have in common.

    python -m benchmarks.selection --data-root ../shared/data [--dataset fashion] [--rounds 2]
        [--out benchmarks/results/selection.json]

Each linear method tries the whole of its search space on the validation classes of one class split of a real dataset
and is fitted on all seen classes, once as ``masln train`` does it and once with nothing remembered from one
configuration to the next: in turn, in one process of one thread, seconds of processor time, the best of each. Both must
choose the same and score the same in every configuration; the ratio says how much faster the first is.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import contextlib
import json
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import click
import torch

from benchmarks.datasets import research_bundles
from benchmarks.evaluation import best_of, processor
from masln.data import load_dataset, make_class_split
from masln.evaluation import Protocol
from masln.experiments import Selection, fit_selected
from masln.saving import write_atomically
from masln.training import Runtime

METHODS = ("cca", "clustercca", "kcca", "sae", "pls", "scm")
FIRST_SPLIT = 1000  # as benchmarks/all_methods.py


def measure(name: str, data: Path, rounds: int) -> dict[str, Any]:
    """Seconds of one method both ways, and how many configurations it tried."""
    dataset = load_dataset(str(data))
    split = make_class_split(dataset.class_names, rule="random", unseen_share=0.5, seed=FIRST_SPLIT)
    chosen: dict[str, Selection] = {}

    def choose(way: str) -> None:
        protocol = Protocol(normalize="block")
        _, chosen[way] = fit_selected(name, {}, dataset, split, protocol=protocol, runtime=Runtime("cpu"), seed=0)

    def alone() -> None:
        with mock.patch("masln.experiments.selection.remembering", contextlib.nullcontext):
            choose("one by one")

    seconds = best_of({"remembering": lambda: choose("remembering"), "one by one": alone}, rounds, time.process_time)
    if chosen["remembering"] != chosen["one by one"]:
        raise click.ClickException(f"{name} chooses otherwise where it remembers")
    ratio = seconds["one by one"] / seconds["remembering"]
    return {
        "configurations": len(chosen["remembering"].candidates),
        "pairs": len(dataset.rows_of(split.fitting, dataset.rows("train"))),
        "widths": [dataset.image.shape[-1], dataset.text.shape[-1]],
        "seconds": seconds,
        "faster_by": ratio,
    }


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--dataset", default="fashion", show_default=True)
@click.option("--methods", default=",".join(METHODS), show_default=True)
@click.option("--rounds", default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/selection.json"))
def main(data_root: Path, dataset: str, methods: str, rounds: int, out: Path) -> None:
    """Measure and write the JSON."""
    torch.set_num_threads(1)
    facts = {"processor": processor(), "torch": torch.__version__, "rounds": rounds, "load_before": os.getloadavg()}
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = research_bundles(data_root, Path(folder))[dataset]
        for name in methods.split(","):
            found[name] = measure(name, data, rounds)
            click.echo(f"{name}: {found[name]['faster_by']:.1f} times as fast, {found[name]['configurations']} tried")
    result = {"data": dataset, **facts, "load_after": os.getloadavg(), "methods": found}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
