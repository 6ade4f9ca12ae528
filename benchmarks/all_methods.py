"""Every method on every dataset at hand under one protocol: figures, p and wins against ridge CCA, cost.

    python -m benchmarks.all_methods --data-root DIR --runs RUNS [--datasets NAMES] [--methods all] [--splits 10]

Each table is that of ``masln compare --data BUNDLE --split seen_unseen --normalize block --seed 1000``: every method
chooses on validation classes from a search space of its own and is fitted on all seen classes; queries search the test
items. Each method is an experiment of its own in RUNS, so that a run which is there is never made again, and a method
that is new joins the table. Class splits are seeded from 1000 on, apart from those (100 to 102) on whose validation
classes defaults were chosen.

Time is that of the processor, one thread a run. A method without all of its runs is not in the table, and said to fail.
"""

from __future__ import annotations

import os

os.environ.update(OMP_WAIT_POLICY="PASSIVE", OMP_NUM_THREADS="1")

import json
from pathlib import Path
from typing import Any

import click

from benchmarks.datasets import research_bundles
from masln.errors import MaslnError
from masln.evaluation import Protocol
from masln.experiments import Experiment, RunConfig, comparison_methods, comparison_rows, run_experiment
from masln.reporting import comparison_cells, markdown_table
from masln.training import write_atomically

PROTOCOL = Protocol(setting="seen_unseen", gallery="test", normalize="block")
PARTS = ("unseen", "seen", "generalized unseen", "generalized seen")


def run_method(name: str, data: Path, directory: Path, *, splits: int, first_split: int, jobs: int) -> Experiment:
    """All runs of one method on one dataset; those that are there are read."""
    config = RunConfig(name, str(data), baselines=(), protocol=PROTOCOL, splits=splits, seed=first_split, device="cpu")
    return run_experiment(config, directory, resume=directory.exists(), progress=True, jobs=jobs)


def table_of(experiments: list[Experiment]) -> list[dict[str, Any]]:
    """Rows of all methods of one dataset, tested against CCA together."""
    records = [record for experiment in experiments for record in experiment.records]
    joined = RunConfig(**vars(experiments[0].config) | {"baselines": ("cca",)})
    rows = comparison_rows(Experiment(joined, experiments[0].directory, records))
    return [row for row in rows if row["part"] in PARTS]


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--runs", type=click.Path(path_type=Path), required=True, help="Where bundles and runs are kept.")
@click.option("--datasets", default="wikipedia,emoji,fashion,rsicd", show_default=True)
@click.option("--methods", default="all", show_default=True)
@click.option("--splits", default=10, show_default=True)
@click.option("--first-split", default=1000, show_default=True, help="Seed of the first class split.")
@click.option("--jobs", default=2, show_default=True, help="Processes, one thread each.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/all_methods.json"))
def main(
    data_root: Path, runs: Path, datasets: str, methods: str, splits: int, first_split: int, jobs: int, out: Path
) -> None:
    """Run what is missing and write the tables as JSON and Markdown, anew after every method."""
    bundles = research_bundles(data_root, runs / "bundles")
    result: dict[str, Any] = {"splits": splits, "first_split": first_split, "protocol": PROTOCOL.describe()}
    result["datasets"] = {}
    for dataset in datasets.split(","):
        experiments, failed = [], {}
        for name in comparison_methods("cca,chance," + methods, ""):  # the baseline first: it is in every table
            place = runs / dataset / name
            try:
                found = run_method(name, bundles[dataset], place, splits=splits, first_split=first_split, jobs=jobs)
            except MaslnError as error:
                failed[name] = str(error)
                continue
            if found.failed:
                failed[name] = found.failure
            else:
                experiments.append(found)
            result["datasets"][dataset] = {"rows": table_of(experiments), "failed": failed}
            _write(result, out)
        for name, reason in failed.items():
            click.echo(f"{dataset}, {name}: {reason}")


def _write(result: dict[str, Any], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
    tables = [
        f"## {dataset}\n\n{markdown_table([comparison_cells(row) for row in found['rows']])}\n"
        for dataset, found in result["datasets"].items()
    ]
    head = f"# Every method, {result['splits']} class splits\n\n{result['protocol']} (`benchmarks/all_methods.py`).\n\n"
    write_atomically(out.with_suffix(".md"), (head + "\n".join(tables)).encode())


if __name__ == "__main__":
    main()
