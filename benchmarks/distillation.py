"""What a teacher gives a narrow student: its figures alone, with a teacher, and those of the teacher itself.

    python -m benchmarks.distillation --data-root DIR [--splits 3] [--first-split 1000] [--jobs 2]

The student is ``distillation`` with codes of 16 dimensions, alone or taught; everything else is its defaults, chosen on
validation classes of other class splits and sets (``benchmarks.supervised_defaults``), and nothing is selected. The
teachers are fitted on the student's own training pairs and teach by all losses beside its own, or by one loss alone.
Protocol, class splits and tests are those of ``benchmarks.ablation``, against the student alone.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import json
import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.ablation import SEEN, UNSEEN, Job, run_study
from benchmarks.datasets import research_bundles
from masln.training import write_atomically

ALONE = "student alone"
WIDTH = {"code_width": 16}
NOTHING = {"teacher_distance": 0.0, "similarity": 0.0}
Row = tuple[str, str, dict[str, Any]]


def study_rows() -> list[Row]:
    """Label, method and hyper-parameters of each row of a dataset's table."""
    alone: Row = (ALONE, "distillation", WIDTH | NOTHING)
    own = WIDTH | NOTHING | {"contrastive": 0.0}
    return [
        ("masln, the teacher", "masln", {}),
        ("cca, the teacher", "cca", {}),
        alone,
        ("by masln", "distillation", WIDTH),
        ("by masln: distance alone", "distillation", own | {"teacher_distance": 1.0}),
        ("by masln: similarity alone", "distillation", own | {"similarity": 1.0}),
        ("by masln: relations alone", "distillation", own | {"relational_distance": 1.0}),
        ("by cca", "distillation", WIDTH | {"teacher": "cca"}),
    ]


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--splits", default=3, show_default=True)
@click.option("--first-split", default=1000, show_default=True, help="Seed of the first class split.")
@click.option("--jobs", default=2, show_default=True, help="Processes, one thread each.")
@click.option("--datasets", default="wikipedia", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/distillation.json"))
def main(data_root: Path, splits: int, first_split: int, jobs: int, datasets: str, out: Path) -> None:
    """Run every row on every class split and write the JSON, anew after each dataset."""
    result: dict[str, Any] = {"splits": splits, "first_split": first_split}
    result |= {"unseen": UNSEEN.describe(), "seen": SEEN.describe(), "datasets": {}}
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(jobs) as pool:
        bundles = research_bundles(data_root, Path(folder))
        for name in datasets.split(","):
            rows = study_rows()
            numbers = range(first_split, first_split + splits)
            tasks = [Job(str(bundles[name]), name, *row, split, False) for split in numbers for row in rows]
            result["datasets"][name] = run_study(tasks, pool, title=f"distillation: {name}", baseline=ALONE)
            out.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
