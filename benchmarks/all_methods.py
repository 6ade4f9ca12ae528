"""Every method on every dataset at hand under one protocol: figures, p and wins against ridge CCA, cost.

    python -m benchmarks.all_methods --data-root DIR --runs RUNS [--datasets NAMES] [--methods all] [--splits 10]

Each table is that of ``masln compare --data BUNDLE --split seen_unseen --normalize block --seed 1000``: every method
chooses on validation classes from a search space of its own and is fitted on all seen classes; queries search the test
items. Class splits are seeded from 1000 on, apart from those (100 to 102) on whose validation classes defaults were
chosen. Each method on each split is an experiment of its own in RUNS, one class split after the other: a run that is
there is never made again, a method that is new joins the table, and a table holds the class splits that all of its
methods have. Several calls may share RUNS where their datasets differ: one a core (``taskset``) and none waits.

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

from benchmarks.datasets import research_bundles
from masln.errors import MaslnError
from masln.evaluation import Protocol
from masln.experiments import Experiment, RunConfig, RunRecord, comparison_methods, comparison_rows, run_experiment
from masln.reporting import comparison_cells, markdown_table
from masln.training import progress_bar, write_atomically

PROTOCOL = Protocol(setting="seen_unseen", gallery="test", normalize="block")
PARTS = ("unseen", "seen", "generalized unseen", "generalized seen")


def run_method(name: str, data: Path, directory: Path, seed: int) -> RunRecord:
    """The run of one method on the class split of this seed, in a process of its own; one that is there is read."""
    config = RunConfig(name, str(data), baselines=(), protocol=PROTOCOL, seed=seed, device="cpu")
    experiment = run_experiment(config, directory, resume=directory.exists(), jobs=1)
    (record,) = experiment.records
    return dataclasses.replace(record, facts={**record.facts, "split": seed})


def table_of(records: list[RunRecord], data: Path) -> list[dict[str, Any]]:
    """Rows of all methods of one dataset, tested against CCA together."""
    config = RunConfig("cca", str(data), protocol=PROTOCOL)
    rows = comparison_rows(Experiment(config, Path(), records))
    return [row for row in rows if row["part"] in PARTS]


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--runs", type=click.Path(path_type=Path), required=True, help="Where bundles and runs are kept.")
@click.option("--datasets", default="wikipedia,emoji,fashion,rsicd", show_default=True)
@click.option("--methods", default="all", show_default=True)
@click.option("--splits", default=10, show_default=True)
@click.option("--first-split", default=1000, show_default=True, help="Seed of the first class split.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/all_methods.json"))
def main(data_root: Path, runs: Path, datasets: str, methods: str, splits: int, first_split: int, out: Path) -> None:
    """Run what is missing; write the tables as JSON and Markdown, anew whenever all methods have one split more."""
    bundles = research_bundles(data_root, runs / "bundles")
    names = comparison_methods("cca,chance," + methods, "")
    tables = json.loads(out.read_text(encoding="utf-8"))["datasets"] if out.exists() else {}
    result = {"first_split": first_split, "protocol": PROTOCOL.describe(), "datasets": tables}
    for dataset in datasets.split(","):
        records: list[RunRecord] = []
        failed: dict[str, str] = {}
        for seed in range(first_split, first_split + splits):
            with progress_bar(f"{dataset}, class split {seed}", len(names), show=True) as advance:
                for name in names:
                    if name not in failed:
                        try:
                            records.append(run_method(name, bundles[dataset], runs / dataset / name / str(seed), seed))
                        except MaslnError as error:
                            failed[name] = str(error)
                    advance()
            kept = [record for record in records if record.method not in failed]
            done = seed + 1 - first_split
            tables[dataset] = {"splits": done, "rows": table_of(kept, bundles[dataset]), "failed": failed}
            _write(result, out)
        for name, reason in failed.items():
            click.echo(f"{dataset}, {name}: {reason}")


def _write(result: dict[str, Any], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
    parts = [f"# Every method\n\n{result['protocol']} (`benchmarks/all_methods.py`).\n"]
    for dataset, found in result["datasets"].items():
        rows = markdown_table([comparison_cells(row) for row in found["rows"]])
        parts.append(f"## {dataset}, {found['splits']} class splits\n\n{rows}")
    write_atomically(out.with_suffix(".md"), "\n".join(parts).encode())


if __name__ == "__main__":
    main()
