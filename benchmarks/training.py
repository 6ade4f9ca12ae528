"""Training speed of MASLN against the matrix-product floor of the same run, and bf16 against fp32.

    python -m benchmarks.training [--data-root DIR] [--out benchmarks/results/training.json]

The floor is the time that the floating-point operations of one step (every fully connected layer, forward and
backward, counted by hooks) would take at the rate of a large square matrix product, measured in the same process in
turns with the steps. The mAP of both precisions is measured on rsicd, where its folder is given.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import nn

from benchmarks.datasets import research_bundles
from benchmarks.machine import machine_facts
from masln.data import PairedDataset, load_dataset, make_class_split
from masln.evaluation import Protocol, evaluate
from masln.models import MASLN
from masln.models.deep import TwoTower
from masln.training import Batch, Runtime, autocast

D_IMAGE, D_TEXT, D_CLASS, CLASSES = 1280, 384, 300, 20
HIDDEN, CODE, BATCH = 1024, 64, 512
SQUARE = 4096


def make_network(precision: str) -> tuple[TwoTower, Batch]:
    """The network of the benchmark and one batch of it."""
    torch.manual_seed(0)
    method = MASLN(code_width=CODE, canonical_width=0, hidden=(HIDDEN,), decoder_hidden=(HIDDEN,))
    network = method._build(D_IMAGE, D_TEXT, CLASSES, D_CLASS)
    batch = Batch(
        torch.randn(BATCH, D_IMAGE),
        torch.randn(BATCH, D_TEXT),
        torch.randint(CLASSES, (BATCH,)),
        torch.randn(BATCH, D_CLASS),
    )
    return network, batch


def count_operations(network: nn.Module, batch: Batch) -> int:
    """Floating-point operations of the fully connected layers in one step: 2 a multiply-add, backward included."""
    total = 0

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        products = 3 if inputs[0].requires_grad else 2  # forward, weight gradient, and input gradient where asked
        total += products * 2 * inputs[0].numel() // layer.in_features * layer.in_features * layer.out_features

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Linear)]
    list(network.objectives(batch, 0.5))
    for hook in hooks:
        hook.remove()
    return total


def make_step(network: TwoTower, batch: Batch, precision: str) -> Callable[[], None]:
    """One training step as the loop takes it."""
    groups = network.parameter_groups()
    optimisers = {name: torch.optim.AdamW(parameters, lr=1e-3, fused=True) for name, parameters in groups.items()}

    def step() -> None:
        objectives = network.objectives(batch, 0.5)
        while True:
            with autocast(precision, torch.device("cpu")):
                objective = next(objectives, None)
            if objective is None:
                return
            optimisers[objective.group].zero_grad()
            objective.loss.backward(inputs=groups[objective.group])
            optimisers[objective.group].step()

    return step


def fastest(call: Callable[[], Any], repeats: int) -> float:
    """Least seconds of a call: the noise of a shared machine only ever adds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def measure_speed(rounds: int) -> dict[str, Any]:
    """Seconds a step in both precisions and the floor, in turns."""
    a, b = torch.randn(SQUARE, SQUARE), torch.randn(SQUARE, SQUARE)
    steps, operations = {}, 0
    for precision in ("fp32", "bf16"):
        network, batch = make_network(precision)
        operations = count_operations(network, batch)
        steps[precision] = make_step(network, batch, precision)
    seconds: dict[str, float] = {"fp32": np.inf, "bf16": np.inf, "square": np.inf}
    for _ in range(rounds):
        seconds["square"] = min(seconds["square"], fastest(lambda: a @ b, 1))
        for precision, step in steps.items():
            seconds[precision] = min(seconds[precision], fastest(step, 5))
    rate = 2 * SQUARE**3 / seconds["square"]
    floor = operations / rate
    half = torch.randn(SQUARE, SQUARE, dtype=torch.bfloat16)
    return {
        "operations_per_step": operations,
        "matrix_product_gflops": rate / 1e9,
        "bf16_matrix_product_over_fp32": seconds["square"] / fastest(lambda: half @ half, 3),
        "floor_seconds": floor,
        "fp32_seconds": seconds["fp32"],
        "bf16_seconds": seconds["bf16"],
        "fp32_share_of_floor": floor / seconds["fp32"],
        "bf16_speed_over_fp32": seconds["fp32"] / seconds["bf16"],
    }


def measure_accuracy(dataset: PairedDataset, splits: int) -> dict[str, Any]:
    """Unseen mAP of both precisions on the same class splits."""
    result: dict[str, list[float]] = {"fp32": [], "bf16": []}
    protocol = Protocol(setting="seen_unseen", gallery="train", normalize="block")
    for seed in range(splits):
        class_split = make_class_split(dataset.class_names, seed=seed)
        train = dataset.of_classes(class_split.seen, dataset.rows("train"))
        for precision, figures in result.items():
            method = MASLN().fit(train, runtime=Runtime(device="cpu", precision=precision))
            evaluation = evaluate(
                method.encode_image(dataset.image),
                method.encode_text(dataset.text),
                dataset.labels,
                dataset.split,
                class_split=class_split,
                protocol=protocol,
                parts=("unseen",),
            )
            figures.append(evaluation.map("unseen"))
    difference = np.mean(result["bf16"]) - np.mean(result["fp32"])
    return {"unseen_map": result, "mean_difference_bf16_less_fp32": float(difference)}


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path, exists=True), help="Folder of the research data.")
@click.option("--rounds", default=20, show_default=True)
@click.option("--splits", default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/training.json"))
def main(data_root: Path | None, rounds: int, splits: int, out: Path) -> None:
    """Measure and write the JSON."""
    result: dict[str, Any] = machine_facts() | {"threads": torch.get_num_threads()} | measure_speed(rounds)
    if data_root:
        with tempfile.TemporaryDirectory() as folder:
            bundles = research_bundles(data_root, Path(folder))
            result["rsicd"] = measure_accuracy(load_dataset(bundles["rsicd"], mmap=False), splits)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    click.echo(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
