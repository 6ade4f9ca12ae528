"""Do the tests of the tables hold? Copies of one method must not come out different, a better one must come out better.

    python -m benchmarks.planted_effects [--repetitions 200] [--splits 5]

In each repetition, on class splits of the bundled emoji that no other has: a small InfoNCE model on each, a copy with
another seed (the planted null), and one with a third seed that trains four times as long (the planted effect). Rows as
in ``masln compare``, the first model as the baseline, one table for the copy and one for the longer training. A test of
level .05 may call the copies different in a twentieth of their tables, whose parts Holm's correction is over. Written:
the share of tables that did, with its 95% interval (Clopper and Pearson), and the share that found the effect on unseen
classes.
"""

from __future__ import annotations

import os

os.environ.update(OMP_WAIT_POLICY="PASSIVE", OMP_NUM_THREADS="1")

import json
import multiprocessing
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from scipy import stats

from masln.data import load_dataset
from masln.evaluation import Protocol, evaluate
from masln.experiments import RunConfig, RunRecord, summary_rows
from masln.experiments.record import record_of
from masln.models import make_method
from masln.training import Runtime, progress_bar, write_atomically

PROTOCOL = Protocol(setting="seen_unseen", gallery="test", normalize="block")
SMALL = {"code_width": 16, "hidden": (32,), "epochs": 1}  # that it is good is not the point
VARIANTS: dict[str, dict[str, Any]] = {"first": {}, "copy": {}, "longer": {"epochs": 4}}
TESTS = {"p_splits": "paired t test over class splits", "p": "paired permutation test over queries"}
FIRST_SPLIT = 10_000
LEVEL = 0.05


def rows_of(repetition: int, *, splits: int) -> dict[str, list[dict[str, Any]]]:
    """The rows of ``copy`` and of ``longer``, each in a table with ``first`` alone."""
    torch.set_num_threads(1)
    data = load_dataset("emoji")
    assert data.split is not None
    records: dict[str, list[RunRecord]] = {label: [] for label in VARIANTS}
    for split in range(splits):
        number = repetition * splits + split
        class_split = RunConfig(data="emoji", protocol=PROTOCOL, seed=FIRST_SPLIT + number).make_split(
            data.class_names, 0
        )
        seen = data.of_classes(class_split.seen, data.rows("train"))
        for place, (label, settings) in enumerate(VARIANTS.items()):
            method = make_method("infonce", **SMALL | settings, seed=len(VARIANTS) * number + place)
            method.fit(seen, runtime=Runtime(device="cpu"))
            codes = method.encode_image(data.image), method.encode_text(data.text)
            found = evaluate(*codes, data.labels, data.split, class_split=class_split, protocol=PROTOCOL)
            records[label].append(record_of({"method": label, "split": split}, {"": found}, data.ids))
    first = records.pop("first")
    return {
        label: [row for row in summary_rows([*own, *first], baseline="first") if row["method"] == label]
        for label, own in records.items()
    }


def share(found: list[bool]) -> dict[str, float]:
    """The share of tables that came out so, with its interval."""
    interval = stats.binomtest(sum(found), len(found)).proportion_ci(0.95, method="exact")
    return {"share": float(np.mean(found)), "low": float(interval.low), "high": float(interval.high)}


def significant(row: dict[str, Any], test: str) -> bool:
    """Whether a test called the row different from the baseline's."""
    return row[test] is not None and row[test] < LEVEL


@click.command()
@click.option("--repetitions", default=200, show_default=True)
@click.option("--splits", default=5, show_default=True)
@click.option("--jobs", default=os.cpu_count(), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/planted_effects.json"))
def main(repetitions: int, splits: int, jobs: int, out: Path) -> None:
    """Make the tables, count what their tests said, write JSON."""
    found: list[dict[str, list[dict[str, Any]]]] = []
    with (
        multiprocessing.get_context("spawn").Pool(jobs) as pool,
        progress_bar("planted effects", repetitions, show=True) as advance,
    ):
        for rows in pool.imap(partial(rows_of, splits=splits), range(repetitions)):
            found.append(rows)
            advance()
    effect = [next(row for row in rows["longer"] if row["part"] == "unseen") for rows in found]
    copies = [next(row for row in rows["copy"] if row["part"] == "unseen") for rows in found]
    result: dict[str, Any] = {
        "repetitions": repetitions,
        "class_splits": splits,
        "unseen_map": {
            "copy": float(np.mean([row["average"] for row in copies])),
            "longer": float(np.mean([row["average"] for row in effect])),
        },
    }
    for name, words in TESTS.items():
        result[name] = {
            "test": words,
            "copies_called_different": share([any(significant(row, name) for row in rows["copy"]) for rows in found]),
            "effect_found": share([significant(row, name) for row in effect]),
        }
        click.echo(json.dumps(result[name], indent=1))
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
