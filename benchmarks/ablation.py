"""The ablation of every loss and part of MASLN, each without one of them, against the whole.

    python -m benchmarks.ablation --data-root DIR [--splits 5] [--first-split 1000]

MASLN's defaults are fitted on all seen classes without selection, one loss or part switched off at a time. Unseen
classes are scored with the train gallery, seen ones with the test gallery, codes block-normalised. Class splits are
seeded from 1000 on: the unseen classes of seeds 0 to 9 had been looked at while MASLN was built, and its defaults come
from seeds 100 to 102. Rows: mean over class splits with Student's t interval, paired permutation test over queries
(Holm-corrected within a dataset), wins over splits, and the exact sign-flip test over splits.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import json
import multiprocessing
import tempfile
import time
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch

from benchmarks.datasets import research_bundles
from masln.data import load_dataset, make_class_split
from masln.evaluation import Protocol, evaluate, paired_permutation_test
from masln.experiments import ABLATIONS, FULL, RunRecord, fit_selected, summary_rows
from masln.experiments.record import record_of
from masln.training import Runtime, progress_bar, write_atomically

UNSEEN = Protocol(setting="seen_unseen", gallery="train", normalize="block")
SEEN = Protocol(setting="seen_unseen", gallery="test", normalize="block")


class Job(NamedTuple):
    """One fit and its evaluation, in a process of its own."""

    bundle: str
    dataset: str
    label: str
    method: str
    hyperparameters: dict[str, Any]
    split: int
    select: bool


def run_job(job: Job) -> RunRecord:
    """Select, fit and score one method on one class split."""
    torch.set_num_threads(1)
    started = time.perf_counter()
    dataset = load_dataset(job.bundle, mmap=False)
    class_split = make_class_split(dataset.class_names, seed=job.split)
    method, selection = fit_selected(
        job.method,
        job.hyperparameters,
        dataset,
        class_split,
        protocol=UNSEEN,
        runtime=Runtime(device="cpu"),
        seed=job.split,
        select=job.select,
    )
    codes = method.encode_image(dataset.image), method.encode_text(dataset.text, dataset.text_mask)
    evaluations = {
        part: evaluate(
            *codes,
            dataset.labels,
            dataset.split,
            class_split=class_split,
            protocol=protocol,
            parts=(part,),
            class_names=dataset.class_names,
            threads=1,
        )
        for part, protocol in (("unseen", UNSEEN), ("seen", SEEN))
    }
    facts = {
        "method": job.label,
        "dataset": job.dataset,
        "split": job.split,
        "class_split": class_split.hash,
        "hyperparameters": selection.hyperparameters,
        "candidates": selection.candidates,
        "seconds": round(time.perf_counter() - started, 1),
    }
    unseen, seen = (record_of(facts, {"": evaluation}, dataset.ids) for evaluation in evaluations.values())
    per_query = unseen.per_query.__class__(
        {name: [*unseen.per_query[name], *seen.per_query[name]] for name in unseen.per_query}
    )
    return RunRecord(facts, {**unseen.parts, **seen.parts}, per_query)


def make_jobs(bundles: dict[str, Path], splits: range) -> list[Job]:
    """All runs of the ablation."""
    return [
        Job(str(path), name, label, "masln", dict(hyperparameters), split, False)
        for name, path in bundles.items()
        for split in splits
        for label, hyperparameters in ABLATIONS.items()
    ]


def summarise(records: list[RunRecord], baseline: str) -> list[dict[str, Any]]:
    """Rows of one dataset, with the ratio to the baseline and the test over splits."""
    rows = summary_rows(records, baseline=baseline)
    means = {(row["part"], row["method"]): row["average"] for row in rows}
    for row in rows:
        part, method = row["part"], row["method"]
        row["ratio"] = row["average"] / means[part, baseline]
        row["p_over_splits"] = None
        if method != baseline:
            ours, theirs = (
                [r.map(part) for r in sorted(records, key=lambda r: r.facts["split"]) if r.method == name]
                for name in (method, baseline)
            )
            row["p_over_splits"] = paired_permutation_test(ours, theirs)
    return rows


def run_study(jobs: list[Job], pool: Pool, *, title: str, baseline: str) -> dict[str, Any]:
    """Run all jobs of one dataset, print a line for each row of their table, and give both for the JSON."""
    records = []
    with progress_bar(title, len(jobs), show=True) as advance:
        for record in pool.imap(run_job, jobs):
            records.append(record)
            advance()
    rows = summarise(records, baseline)
    for row in rows:
        click.echo(
            f"{jobs[0].dataset:10} {row['part']:7} {row['method']:26} {row['average']:.3f} [{row['low']:.3f}, "
            f"{row['high']:.3f}] x{row['ratio']:.2f} wins {row['wins']} p {row['p']} / {row['p_over_splits']}"
        )
    return {"rows": rows, "runs": [{**r.facts, "unseen": r.map("unseen"), "seen": r.map("seen")} for r in records]}


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--splits", default=5, show_default=True)
@click.option("--first-split", default=1000, show_default=True, help="Seed of the first class split.")
@click.option("--jobs", default=2, show_default=True, help="Processes, one thread each.")
@click.option("--datasets", default="wikipedia,fashion,emoji,rsicd", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/ablation.json"))
def main(data_root: Path, splits: int, first_split: int, jobs: int, datasets: str, out: Path) -> None:
    """Run it and write its JSON; the file is written anew after every dataset."""
    result: dict[str, Any] = {
        "splits": splits,
        "first_split": first_split,
        "unseen": UNSEEN.describe(),
        "seen": SEEN.describe(),
        "datasets": {},
    }
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(jobs) as pool:
        bundles = research_bundles(data_root, Path(folder))
        for name in datasets.split(","):
            tasks = make_jobs({name: bundles[name]}, range(first_split, first_split + splits))
            result["datasets"][name] = run_study(tasks, pool, title=f"ablation: {name}", baseline=FULL)
            out.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
