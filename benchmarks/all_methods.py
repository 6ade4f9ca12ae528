"""Every method on every dataset at hand under one protocol: figures, p and wins against ridge CCA, cost.

    python -m benchmarks.all_methods --data-root DIR --runs RUNS [--datasets NAMES] [--methods all] [--splits 10]
        [--relevance class|instance]

Each table is that of ``masln compare --data BUNDLE --split seen_unseen --normalize block --seed 1000``: every method
chooses on validation classes from a search space of its own and is fitted on all seen classes; queries search the test
items. Class splits are seeded from 1000 on, apart from those (100 to 102) on whose validation classes defaults were
chosen. Each method on each split is an experiment of its own in RUNS, one class split after the other: a run that is
there is never made again, a method that is new joins the table, and a table holds the class splits that all of its
methods have. Several calls may share RUNS where their datasets differ: one a core (``taskset``) and none waits.

On ``photos``, the RSICD photos with a caption each (``--captions each``: with five), a method that takes sequences gets
regions and words, any other the means of both; the pairs are the same.

Time is that of the processor. A method that fails is not in the table, and the JSON says why.
"""

from __future__ import annotations

import os

os.environ.update(OMP_WAIT_POLICY="PASSIVE", OMP_NUM_THREADS="1")

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from benchmarks.datasets import photo_bundles, research_bundles
from masln.data import bundle_hash, load_dataset
from masln.errors import MaslnError, RunFailedError
from masln.evaluation import Protocol
from masln.experiments import RunConfig, RunRecord, available_cores, comparison_methods, read_experiment, rows_with_cost
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


def run_method(name: str, data: Path, directory: Path, *, protocol: Protocol, seed: int) -> list[RunRecord]:
    """The run of one method on the class split of this seed, in a process of its own; one that is there is read."""
    config = RunConfig(name, str(data), baselines=(), protocol=protocol, seed=seed, device="cpu")
    if not is_finished(directory, config):
        task = directory, config, bundle_hash(load_dataset(str(data))), available_cores()
        (why,) = run_in_processes(make_run, [task], jobs=1, logs=[directory / "run.log"])
        if why:
            raise RunFailedError(why)
    records = read_experiment(directory).records
    return [dataclasses.replace(record, facts={**record.facts, "split": seed}) for record in records]


def table_of(records: list[RunRecord]) -> list[dict[str, Any]]:
    """Rows of all methods of one dataset, tested against CCA together."""
    return [row for row in rows_with_cost(records, baseline="cca") if row["part"] in PARTS]


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--runs", type=click.Path(path_type=Path), required=True, help="Where bundles and runs are kept.")
@click.option("--datasets", default="wikipedia,emoji,fashion,rsicd", show_default=True)
@click.option("--methods", default="all", show_default=True)
@click.option("--splits", default=10, show_default=True)
@click.option("--first-split", default=1000, show_default=True, help="Seed of the first class split.")
@click.option("--relevance", type=click.Choice(["class", "instance"]), default="class", show_default=True)
@click.option("--captions", type=click.Choice(["first", "each"]), default="first", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/all_methods.json"))
def main(
    data_root: Path,
    runs: Path,
    datasets: str,
    methods: str,
    splits: int,
    first_split: int,
    relevance: str,
    captions: str,
    out: Path,
) -> None:
    """Run what is missing; write the tables as JSON and Markdown, anew whenever all methods have one split more."""
    bundles = make_bundles(datasets.split(","), captions, data_root, runs / "bundles")
    names = comparison_methods("cca,chance," + methods, "")
    protocol = dataclasses.replace(PROTOCOL, relevance=relevance)
    tables = json.loads(out.read_text(encoding="utf-8"))["tables"] if out.exists() else {}
    result = {"first_split": first_split, "tables": tables}
    for dataset in datasets.split(","):
        place = runs / (dataset if relevance == "class" else f"{dataset}-{relevance}")
        records: list[RunRecord] = []
        failed: dict[str, str] = {}
        for seed in range(first_split, first_split + splits):
            with progress_bar(f"{dataset}, class split {seed}", len(names), show=True) as advance:
                for name in (name for name in names if name not in failed):
                    data, directory = bundle_for(name, dataset, bundles), place / name / str(seed)
                    try:
                        records += run_method(name, data, directory, protocol=protocol, seed=seed)
                    except MaslnError as error:
                        failed[name] = str(error)
                    advance()
            kept = [record for record in records if record.method.split(",")[0] not in failed]
            facts = {"dataset": dataset, "splits": seed + 1 - first_split, "protocol": protocol.describe()}
            tables[place.name] = {**facts, "rows": table_of(kept), "failed": failed}
            _write(result, out)
        for name, reason in failed.items():
            click.echo(f"{dataset}, {name}: {reason}")


def _write(result: dict[str, Any], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
    parts = ["# Every method\n\nWritten by `benchmarks/all_methods.py`; p and wins against ridge CCA.\n"]
    for name, found in result["tables"].items():
        rows = markdown_table([comparison_cells(row) for row in found["rows"]])
        parts.append(f"## {name}, {found['splits']} class splits\n\n{found['protocol']}\n\n{rows}")
    write_atomically(out.with_suffix(".md"), "\n".join(parts).encode())


if __name__ == "__main__":
    main()
