"""What a fit takes where the process keeps the memory that it frees, and where glibc hands large blocks back.

    python -m benchmarks.freed_memory --data-root DIR [--bundles DIR] [--rounds 3] [--out FILE]

Each fit is a process of its own, on one thread, with and without in turns: SigLIP and fusion embedding on regions and
words of the RSICD photos, MASLN on the global features of RSICD. Seconds are the processor's, of which the system's are
the clearing of pages; the least of the rounds stands.
"""

from __future__ import annotations

import os

os.environ.update(OMP_WAIT_POLICY="PASSIVE", OMP_NUM_THREADS="1")

import json
import multiprocessing
import resource
import tempfile
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.datasets import photo_bundles, research_bundles
from benchmarks.machine import machine_facts
from masln.data import load_dataset, make_class_split
from masln.experiments import keep_freed_memory
from masln.models import make_method
from masln.training import Runtime, progress_bar, write_atomically

EPOCHS = {"siglip": 8, "fusionembedding": 8, "masln": 8}


def fit(method: str, bundle: Path, keep: bool) -> dict[str, float]:
    """Fit in this process, and what it took of the processor, its page faults and its peak memory."""
    torch.set_num_threads(1)
    if keep and not keep_freed_memory():
        raise click.ClickException("the C library of this machine is not glibc, or the environment sets it")
    dataset = load_dataset(str(bundle))
    split = make_class_split(dataset.class_names, rule="random", unseen_share=0.5, seed=0)
    pairs = dataset.of_classes(split.seen, dataset.rows("train"))
    make_method(method, epochs=1).fit(pairs, runtime=Runtime("cpu"))  # what is done once, such as imports
    before = resource.getrusage(resource.RUSAGE_SELF)
    make_method(method, epochs=EPOCHS[method]).fit(pairs, runtime=Runtime("cpu"))
    after = resource.getrusage(resource.RUSAGE_SELF)
    system = after.ru_stime - before.ru_stime
    return {
        "seconds": after.ru_utime - before.ru_utime + system,
        "system_seconds": system,
        "page_faults": after.ru_minflt - before.ru_minflt,
        "peak_bytes": after.ru_maxrss * 1024,
    }


def measure(method: str, bundle: Path, rounds: int) -> dict[str, Any]:
    """Fits with and without, in turns, each in a new process."""
    taken: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    context = multiprocessing.get_context("spawn")
    for _ in range(rounds):
        for keep, found in taken.items():
            with context.Pool(1) as pool:
                found.append(pool.apply(fit, (method, bundle, keep)))
    handed_back, kept = (min(taken[keep], key=lambda one: one["seconds"]) for keep in (False, True))
    return {
        "handed_back": handed_back,
        "kept": kept,
        "faster_by": handed_back["seconds"] / kept["seconds"],
        "peak_grows_by": kept["peak_bytes"] / handed_back["peak_bytes"],
    }


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--bundles", type=click.Path(path_type=Path), help="Where bundles are kept.  [default: nowhere]")
@click.option("--rounds", default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/freed_memory.json"))
def main(data_root: Path, bundles: Path | None, rounds: int, out: Path) -> None:
    """Measure and write the JSON."""
    result: dict[str, Any] = {**machine_facts(), "threads": 1, "rounds": rounds, "methods": {}}
    with tempfile.TemporaryDirectory() as folder, progress_bar("methods", len(EPOCHS), show=True) as advance:
        place = bundles or Path(folder)
        sequences = photo_bundles(data_root, place, captions="first")["photos-sequences-first"]
        own = {"siglip": sequences, "fusionembedding": sequences, "masln": research_bundles(data_root, place)["rsicd"]}
        for method, bundle in own.items():
            result["methods"][method] = measure(method, bundle, rounds)
            advance()
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
    click.echo(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
