"""Every method on every dataset at hand under one protocol: figures, p and wins against ridge CCA, cost.

    python -m benchmarks.all_methods --data-root DIR --runs RUNS [--datasets NAMES] [--methods all] [--splits 10]
        [--seeds 1] [--relevance class|instance]

Each table is that of ``masln compare --data BUNDLE --split seen_unseen --normalize block --seed 1000``: every method
chooses on validation classes from a search space of its own and is fitted on all seen classes; queries search the test
items. Class splits are seeded from 1000 on, apart from those (100 to 102) on whose validation classes defaults were
chosen. Each method on each split is an experiment of its own in RUNS, one class split after the other. The figures of
a run are kept as lines of ``benchmarks/results/runs/DATASET.csv``, so a table grows call by call: what is kept is not
run again unless the data, the protocol, or the defaults or search space of its method have changed (after another
change of a method's code, delete its lines), and ``--tabulate`` runs nothing. Several calls may share RUNS where their
datasets or methods differ: one a core and none waits. Tests over queries need the runs themselves: ``masln report``
on the folders of RUNS makes them.

On ``photos``, the RSICD photos with a caption each (``--captions each``: with five), a method that takes sequences gets
regions and words, any other the means of both; the pairs are the same.

Time is that of the processor. A method that fails is not in the table, and this says why when it ends.
"""

from __future__ import annotations

import os

os.environ.update(OMP_WAIT_POLICY="PASSIVE", OMP_NUM_THREADS="1")

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import click

from benchmarks.datasets import photo_bundles, research_bundles
from benchmarks.kept_figures import KeptFigures, alone_in, tables_of
from masln.data import bundle_hash, load_dataset
from masln.errors import MaslnError, RunFailedError
from masln.evaluation import Protocol
from masln.experiments import RunConfig, RunRecord, available_cores, comparison_methods, read_experiment
from masln.experiments.grid import is_finished
from masln.experiments.grid_run import make_run
from masln.experiments.processes import run_in_processes
from masln.models import method_resolver
from masln.reporting import comparison_cells, markdown_table
from masln.training import progress_bar, write_atomically

PROTOCOL = Protocol(setting="seen_unseen", gallery="test", normalize="block")
PARTS = ("unseen", "seen", "generalized unseen", "generalized seen")


def make_bundles(datasets: list[str], captions: str, data_root: Path, out: Path) -> dict[str, Path]:
    """The bundles of the datasets, those of the photos as ``photos`` and ``photos, sequences``."""
    bundles = research_bundles(data_root, out)
    if "photos" in datasets:
        means, sequences = photo_bundles(data_root, out, captions=captions).values()
        bundles |= {"photos": means, "photos, sequences": sequences}
    return bundles


def bundle_for(name: str, dataset: str, bundles: dict[str, Path]) -> Path:
    """The bundle of a dataset that suits a method."""
    sequences = bundles.get(f"{dataset}, sequences")
    takes = method_resolver.lookup(name).takes_sequences and name != "chance"
    return sequences if sequences and takes else bundles[dataset]


def has_seed(name: str) -> bool:
    """Whether a method draws anything."""
    return "seed" in method_resolver.make(name).get_params()


def run_method(name: str, data: Path, directory: Path, *, protocol: Protocol, split: int, seed: int) -> list[RunRecord]:
    """The run of one method on the class split of this seed, in a process of its own; one that is there is read.

    Args:
        name: Of the method.
        data: The bundle.
        directory: Of the run.
        protocol: Its figures are under.
        split: Seed of the class split.
        seed: Number of the method's seed, from 0; it is ``split`` and so many more.
    """
    data_name, method_seed = str(data), split + seed
    config = RunConfig(
        name, data_name, baselines=(), protocol=protocol, seed=split, method_seed=method_seed, device="cpu"
    )
    if not is_finished(directory, config):
        task = directory, config, bundle_hash(load_dataset(str(data))), available_cores()
        (why,) = run_in_processes(make_run, [task], jobs=1, logs=[directory / "run.log"])
        if why:
            raise RunFailedError(why)
    records = read_experiment(directory).records
    return [dataclasses.replace(record, facts={**record.facts, "split": split, "seed": seed}) for record in records]


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--runs", type=click.Path(path_type=Path), required=True, help="Where bundles and runs are kept.")
@click.option("--datasets", default="wikipedia,emoji,fashion,rsicd", show_default=True)
@click.option("--methods", default="all", show_default=True)
@click.option("--splits", default=10, show_default=True)
@click.option("--first-split", default=1000, show_default=True, help="Seed of the first class split.")
@click.option("--seeds", default=1, show_default=True, help="Of each method that has any, on each class split.")
@click.option("--relevance", type=click.Choice(["class", "instance"]), default="class", show_default=True)
@click.option("--captions", type=click.Choice(["first", "each"]), default="first", show_default=True)
@click.option("--tabulate", is_flag=True, help="Make the tables of what is kept, and no run.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/all_methods.json"))
def main(
    data_root: Path,
    runs: Path,
    datasets: str,
    methods: str,
    splits: int,
    first_split: int,
    seeds: int,
    relevance: str,
    captions: str,
    tabulate: bool,
    out: Path,
) -> None:
    """Run what is not kept; write the tables as JSON and Markdown, anew whenever all methods have one split more."""
    bundles = make_bundles(datasets.split(","), captions, data_root, runs / "bundles")
    names = [] if tabulate else comparison_methods("cca,chance," + methods, "")
    protocol = dataclasses.replace(PROTOCOL, relevance=relevance)
    class_splits = range(first_split, first_split + splits)
    for dataset in datasets.split(","):
        place = runs / (dataset if relevance == "class" else f"{dataset}-{relevance}")
        place = place.with_name(place.name + ("-captions" if captions == "each" else ""))
        facts = {"data": bundle_hash(load_dataset(str(bundles[dataset]))), "protocol": protocol}
        figures = KeptFigures(out.parent / "runs" / f"{place.name}.csv", **facts)
        failed: dict[str, str] = {}
        for split, seed in itertools.product(class_splits, range(seeds)):
            wanted = [name for name in names if seed == 0 or has_seed(name)]
            missing = [name for name in wanted if name not in failed and not figures.has(name, split, seed)]
            with progress_bar(f"{dataset}, class split {split}, seed {seed}", len(missing), show=True) as advance:
                for name in missing:
                    data, directory = bundle_for(name, dataset, bundles), place / name / f"{split}-{seed}"
                    try:
                        records = run_method(name, data, directory, protocol=protocol, split=split, seed=seed)
                        figures.keep(records, parts=PARTS)
                    except MaslnError as error:
                        failed[name] = str(error)
                    advance()
            if missing or split == class_splits[-1]:
                found = tables_of(figures, protocol, class_splits)
                out.parent.mkdir(parents=True, exist_ok=True)
                with alone_in(out.parent):
                    _write(place.name, found, first_split, out)
        for name, reason in failed.items():
            click.echo(f"{dataset}, {name}: {reason}")


def _write(name: str, found: dict[str, dict[str, Any] | None], first_split: int, out: Path) -> None:
    """Put the tables of a dataset beside those of others."""
    result = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    result["first_split"] = first_split
    for kind, table in found.items():
        result.setdefault(kind, {})
        if table is not None:
            result[kind][name] = table
        elif kind == "fewer":
            result[kind].pop(name, None)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
    parts = ["# Every method\n\nWritten by `benchmarks/all_methods.py`; p and wins against ridge CCA.\n"]
    for dataset, table in result["tables"].items():
        parts.append(_section(dataset, table))
        if dataset in result["fewer"]:
            parts.append(_section(f"{dataset}, methods with fewer class splits", result["fewer"][dataset]))
    write_atomically(out.with_suffix(".md"), "\n".join(parts).encode())


def _section(title: str, table: dict[str, Any]) -> str:
    rows = markdown_table([comparison_cells(row) for row in table["rows"]])
    text = f"## {title}, {table['splits']} class splits\n\n{table['protocol']}\n\n{rows}"
    if table.get("partial"):
        fewer = ", ".join(f"`{method}` ({count})" for method, count in table["partial"].items())
        text += f"\nWith fewer class splits: {fewer}.\n"
    return text


if __name__ == "__main__":
    main()
