"""How the defaults of the correlation methods were chosen: candidates scored on validation classes of three sets.

    python -m benchmarks.deep_correlation_defaults --data-root DIR [--methods dcca,softcca] [--splits 2] [--jobs 2]

Pairs, class splits and scores are those of ``benchmarks.masln_defaults``: no unseen class and no test pair is read.
Each candidate changes some of what is the method's default now; chance and ridge CCA stand beside them. Rows of a
method are ordered by their mean validation mAP.
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

from benchmarks.datasets import research_bundles
from benchmarks.masln_defaults import score_candidates
from masln.models import make_method
from masln.training import write_atomically

COMMON: tuple[dict[str, Any], ...] = (
    {},
    *({"learning_rate": rate} for rate in (3e-4, 1e-3, 3e-3, 1e-2)),
    *({"epochs": epochs} for epochs in (20, 80)),
    *({"encoder": kind} for kind in ("linear", "residual")),
    {"input_dropout": 0.3},
)
CORRELATION: tuple[dict[str, Any], ...] = (
    *COMMON,
    *({"code_width": width} for width in (5, 16, 64)),
    *({"dropout": share} for share in (0.0, 0.5)),
    {"hidden": (1024, 1024)},
)
CANDIDATES: dict[str, tuple[dict[str, Any], ...]] = {
    "chance": ({},),
    "cca": tuple({"ridge": ridge} for ridge in (1.0, 10.0)),
    "dcca": (*CORRELATION, *({"ridge": ridge} for ridge in (0.1, 1.0)), {"batch_size": 256}, {"weight_decay": 1.0}),
    "dccae": (*CORRELATION, *({"reconstruction": weight} for weight in (0.1, 10.0, 100.0))),
    "corrae": (
        *COMMON,
        *({"variant": kind, "alpha": alpha} for kind in ("own", "cross", "full") for alpha in (0.2, 0.5, 0.8)),
    ),
    "softcca": (*COMMON, {"code_width": 128}, {"memory": 0.0}, *({"decorrelation": w} for w in (0.003, 0.1))),
    "barlowtwins": (*COMMON, {"code_width": 128}, *({"redundancy": weight} for weight in (1e-3, 2e-2))),
}


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--methods", default=",".join(CANDIDATES), show_default=True)
@click.option("--splits", default=2, show_default=True)
@click.option("--jobs", default=2, show_default=True, help="Processes, one thread each.")
@click.option("--datasets", default="emoji,fashion,rsicd", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/deep_correlation_defaults.json")
)
def main(data_root: Path, methods: str, splits: int, jobs: int, datasets: str, out: Path) -> None:
    """Score every candidate and write the JSON, best first within a method."""
    names = datasets.split(",")
    configurations = [(method, values) for method in methods.split(",") for values in CANDIDATES[method]]
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(jobs) as pool:
        bundles = research_bundles(data_root, Path(folder))
        means = score_candidates(pool, {name: bundles[name] for name in names}, configurations, splits=splits)
    rows = [
        {
            "method": method,
            "changed": values,
            "mean_validation_map": round(float(means[i, :, 0].mean()), 4),
            "validation_map": dict(zip(names, means[i, :, 0].round(4).tolist(), strict=True)),
            "seen_map": dict(zip(names, means[i, :, 1].round(4).tolist(), strict=True)),
        }
        for i, (method, values) in enumerate(configurations)
    ]
    order = methods.split(",")
    rows.sort(key=lambda row: (order.index(str(row["method"])), -float(str(row["mean_validation_map"]))))
    defaults = {method: make_method(method).get_params() for method in order}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(
        out, (json.dumps({"splits": splits, "defaults": defaults, "rows": rows}, indent=1) + "\n").encode()
    )
    for row in rows:
        click.echo(f"{row['method']} {row['mean_validation_map']} {row['changed']} {row['validation_map']}")


if __name__ == "__main__":
    main()
