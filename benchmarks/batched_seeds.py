"""Ten seeds of MASLN in one batched pass against ten separate runs, and how near both are to their matrix products.

    python -m benchmarks.batched_seeds [--parts speed,rounding] [--rounds 5] [--out FILE]

writes ``benchmarks/results/batched_seeds.json``.

``speed``: code 64, hidden 256, batch 128, on pairs as wide as those of a dataset; two steps of every seed are one
measurement (eight where the batch is 32). In turns: one pass with two threads; ten runs one after another with two
threads; ten runs in two processes of one thread each, started and warm beforehand. Wall clock by the median of the
turns, and processor time by its least, which neighbours on a shared machine lengthen less. Ratios above 1 say that the
pass is faster. ``floor`` is the time of the bare matrix products of the same steps, forward and backward: no way to
train in float32 takes less. ``most`` is what the separate runs take over the floor of the pass, by which it could be
faster if nothing else took time. ``shares`` is a profile of both. The settings beside the named one show when batching
pays: where a step's products are short beside the time that torch takes to ask for them.

``rounding``: how far the codes of all emoji pairs are from those of the seed's own run, after few and all epochs of
real training; and how far they are when, in its place, every feature of the images is moved by one unit in the last
place.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import dataclasses
import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.machine import machine_facts
from masln.data import PairedDataset, load_dataset, make_class_split
from masln.models import MASLN, Method, fit_seeds
from masln.training import RandomStreams, Runtime, write_atomically
from masln.training.loop import _Training
from masln.training.objective import GroupOptimisers
from masln.training.seeds import _run_epoch
from masln.training.stacked import StackedNetworks, clip_each

SEEDS, THREADS = 10, 2
NAMED: dict[str, Any] = {"code_width": 64, "hidden": (256,), "batch_size": 128}
EMOJI, WIKIPEDIA = (256, 1280, 434, 14), (256, 128, 10, 5)
#: Pairs, widths of image and text, classes; hyper-parameters.
SETTINGS: dict[str, tuple[tuple[int, int, int, int], dict[str, Any]]] = {
    "emoji": (EMOJI, NAMED),
    "wikipedia": (WIKIPEDIA, NAMED),
    "wikipedia, decoders of 256, no canonical block": (
        WIKIPEDIA,
        NAMED | {"decoder_hidden": (256,), "canonical_width": 0},
    ),
    "wikipedia, no decoders, no canonical block": (WIKIPEDIA, NAMED | {"reconstruction": 0.0, "canonical_width": 0}),
    "wikipedia, hidden and decoders of 32, code 16, batch 32, no canonical block": (
        WIKIPEDIA,
        {"code_width": 16, "hidden": (32,), "decoder_hidden": (32,), "batch_size": 32, "canonical_width": 0},
    ),
}
QUIET = Runtime(device="cpu")
PRODUCTS, OPTIMISER, DRAWS = ("aten::mm", "aten::addmm", "aten::bmm"), ("aten::_fused_adamw_",), ("aten::bernoulli_",)


def draw_pairs(size: tuple[int, int, int, int]) -> PairedDataset:
    """Noise of this size: the time of a step does not depend on what it learns."""
    n, d_image, d_text, classes = size
    rng = np.random.default_rng(0)
    return PairedDataset(
        name="drawn",
        image=rng.normal(size=(n, d_image)).astype(np.float32),
        text=rng.normal(size=(n, d_text)).astype(np.float32),
        labels=np.arange(n) % classes,
        class_names=tuple(map(str, range(classes))),
        class_embeddings=rng.normal(size=(classes, 50)).astype(np.float32),
    )


class Untouched:
    """Stands for the guard of the loop: nobody asks to stop."""

    requested = False


class Trained:
    """Methods whose steps can be taken over and over: the loops without what a fit does once."""

    def __init__(self, setting: str, seeds: Sequence[int]) -> None:
        size, values = SETTINGS[setting]
        pairs, device = draw_pairs(size), torch.device("cpu")
        self.methods = [MASLN(**values, epochs=10**6, schedule="constant", seed=seed) for seed in seeds]
        streams, self.data = RandomStreams(device), []
        for method in self.methods:
            method._accept(pairs, None)
            with method._seeded(device):
                self.data.append(method._prepare(pairs, device, QUIET))
                streams.add()
        self.plans, self.streams = [method.plan() for method in self.methods], streams

    def apart(self) -> Callable[[], None]:
        """The steps of an epoch of each, one seed after another."""
        own = zip(self.methods, self.data, self.plans, strict=True)
        loops = [_Training(method.network_, data, plan, QUIET, "", None) for method, data, plan in own]

        def run() -> None:
            for loop in loops:
                loop._run_epoch(Untouched())

        return run

    def together(self) -> Callable[[], None]:
        """The steps of an epoch of all in one pass."""
        stack = StackedNetworks([method.network_ for method in self.methods], self.streams)
        optimisers = GroupOptimisers(stack.groups(), self.plans[0], clip=clip_each)

        def run() -> None:
            _run_epoch(stack, optimisers, self.data[0], self.plans, 0, Untouched())

        return run


def products(trained: Trained, *, stacked: bool) -> Callable[[], None]:
    """The bare matrix products of an epoch of all seeds: of each network by itself, or of the stack."""
    network, data = trained.methods[0].network_, trained.data[0]
    batches = trained.methods[0].plan().batches(len(data), 0)
    operands: list[tuple[Tensor, Tensor]] = []
    lead = (SEEDS,) if stacked else ()

    def note(layer: nn.Linear, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        rows = inputs[0].numel() // layer.in_features
        x, y = torch.randn(*lead, rows, layer.in_features), torch.randn(*lead, rows, layer.out_features)
        weights = torch.randn(*lead, layer.out_features, layer.in_features)
        operands.extend([(x, weights.mT), (y.mT, x)] + [(y, weights)] * inputs[0].requires_grad)

    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, nn.Linear)]
    network.train()
    list(network.objectives(data.batch(batches[0]), 0.5))
    for hook in hooks:
        hook.remove()

    def multiply() -> None:
        for _ in range(len(batches) * (1 if stacked else SEEDS)):
            for left, right in operands:
                torch.matmul(left, right)

    return multiply


def work_apart(line: Connection, setting: str, seeds: Sequence[int]) -> None:
    """A process of one thread that runs an epoch of its seeds whenever it is told to, and says what it took."""
    torch.set_num_threads(1)
    run = Trained(setting, seeds).apart()
    run()
    line.send(0.0)
    while line.recv():
        started = time.process_time()
        run()
        line.send(time.process_time() - started)


class TwoProcesses:
    """Half of the seeds in each of two processes of one thread."""

    def __init__(self, setting: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.lines, self.processes = [], []
        for half in (range(SEEDS // 2), range(SEEDS // 2, SEEDS)):
            ours, theirs = context.Pipe()
            process = context.Process(target=work_apart, args=(theirs, setting, list(half)), daemon=True)
            process.start()
            self.lines.append(ours)
            self.processes.append(process)
        for line in self.lines:
            line.recv()

    def run(self) -> float:
        """An epoch of all seeds; the processor time of both."""
        for line in self.lines:
            line.send(True)
        return float(sum(line.recv() for line in self.lines))

    def end(self) -> None:
        """End both."""
        for line, process in zip(self.lines, self.processes, strict=True):
            line.send(False)
            process.join()


def profiled(call: Callable[[], None]) -> dict[str, float]:
    """Shares of an epoch's operations, by their own time."""
    with profile(activities=[ProfilerActivity.CPU]) as events:
        call()
    times = {event.key: event.self_cpu_time_total for event in events.key_averages()}
    whole = sum(times.values())

    def share(names: Sequence[str]) -> float:
        return round(sum(taken for name, taken in times.items() if name.startswith(tuple(names))) / whole, 3)

    found = {"products": share((*PRODUCTS, "aten::baddbmm")), "optimiser": share(OPTIMISER), "dropout": share(DRAWS)}
    return found | {"the rest": round(1 - sum(found.values()), 3)}


def measure(setting: str, rounds: int) -> dict[str, Any]:
    """All arrangements of one setting in turns, and their profile."""
    torch.set_num_threads(THREADS)
    separate, processes = Trained(setting, range(SEEDS)), TwoProcesses(setting)
    apart, together = separate.apart(), Trained(setting, range(SEEDS)).together()
    of_own: dict[str, Callable[[], Any]] = {
        "one pass, two threads": together,
        "one after another, two threads": apart,
        "two processes of one thread": processes.run,
        "floor of the pass": products(separate, stacked=True),
        "floor one after another": products(separate, stacked=False),
    }
    wall: dict[str, list[float]] = {name: [] for name in of_own}
    processor: dict[str, list[float]] = {name: [] for name in of_own}
    for call in of_own.values():
        call()
    for _ in range(rounds):
        for name, call in of_own.items():
            started, working = time.perf_counter(), time.process_time()
            elsewhere = call() or 0.0
            wall[name].append(time.perf_counter() - started)
            processor[name].append(time.process_time() - working + elsewhere)
    processes.end()
    torch.set_num_threads(1)
    single = {"one pass": together, "one after another": apart}
    shares = {name: profiled(call) for name, call in single.items()}
    medians = {name: median(values) for name, values in wall.items()}
    least = {name: min(values) for name, values in processor.items()}
    ours = "one pass, two threads"
    others = ("one after another, two threads", "two processes of one thread")
    return {
        "wall_seconds_median": {name: round(value, 4) for name, value in medians.items()},
        "wall_seconds": {name: [round(value, 4) for value in values] for name, values in wall.items()},
        "processor_seconds_least": {name: round(value, 4) for name, value in least.items()},
        "pass_faster_by": {name: round(medians[name] / medians[ours], 3) for name in others},
        "pass_faster_by_processor_time": {name: round(least[name] / least[ours], 3) for name in others},
        "most_by_processor_time": {name: round(least[name] / least["floor of the pass"], 3) for name in others},
        "shares_on_one_thread": shares,
    }


def measure_rounding() -> dict[str, Any]:
    """Most that codes differ from those of the run alone, by epochs, on the emoji pairs."""
    dataset = load_dataset("emoji")
    class_split = make_class_split(dataset.class_names, seed=0)
    pairs = dataset.of_classes(class_split.seen, dataset.rows("train"))
    signs = np.random.default_rng(0).choice(np.array([-1.0, 1.0]), size=pairs.image.shape)
    moved = dataclasses.replace(pairs, image=(pairs.image * (1 + 6e-8 * signs)).astype(np.float32))
    found: dict[str, Any] = {}
    for epochs in (1, 5, 40):
        method = MASLN(**NAMED, epochs=40, stop_epoch=epochs)
        fits = fit_seeds(method, (0, 1), pairs, runtime=QUIET)
        assert not fits.apart, fits.apart
        alone, other = (clone(method).fit(each, runtime=QUIET) for each in (pairs, moved))
        reference = _codes(alone, dataset)
        found[str(epochs)] = {
            "one pass": float(np.abs(_codes(fits.methods[0], dataset) - reference).max()),
            "images moved by one unit in the last place": float(np.abs(_codes(other, dataset) - reference).max()),
            "mean norm of the codes": float(np.linalg.norm(reference, axis=1).mean()),
        }
    return found


def _codes(method: Method, dataset: PairedDataset) -> NDArray[np.float32]:
    return np.concatenate([method.encode_image(dataset.image), method.encode_text(dataset.text)])


@click.command()
@click.option(
    "--parts", default="speed,rounding", show_default=True, help="Which to measure; others keep their figures."
)
@click.option("--rounds", default=5, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/batched_seeds.json"))
def main(parts: str, rounds: int, out: Path) -> None:
    """Measure and write the JSON."""
    report: dict[str, Any] = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
    report |= machine_facts()
    if "speed" in parts.split(","):
        report["speed"] = {"seeds": SEEDS, "rounds": rounds, "load_average_before": os.getloadavg()[0]}
        report["speed"] |= {"settings": {name: measure(name, rounds) for name in SETTINGS}}
        report["speed"]["load_average_after"] = os.getloadavg()[0]
    if "rounding" in parts.split(","):
        report["rounding"] = measure_rounding()
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (json.dumps(report, indent=1) + "\n").encode())
    click.echo(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
