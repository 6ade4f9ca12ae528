"""A bundle and a configuration that run in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from masln.data import bundle_hash, load_dataset, write_bundle
from masln.experiments import Experiment, Grid, GridResult, GridTable, RunConfig, entries_of, run_grid
from masln.experiments.grid import grid_runs
from masln.experiments.grid_run import make_run
from tests.conftest import add_label_sets, make_pairs

TINY: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 16,
    "code_width": 6,
    "hidden": [8],
    "decoder_hidden": [8],
    "discriminator_hidden": [4],
}


def write_small_bundle(folder: Path, **values: Any) -> Path:
    pairs = make_pairs(**{"classes": 8, "per_class": 8} | values)
    return write_bundle(folder, pairs, licence="CC0", source="drawn at random", recipe={"seed": 0})


def write_several_labels(folder: Path, **values: Any) -> Path:
    """The same with label sets: a fifth of the pairs carry one class more."""
    pairs = make_pairs(**{"classes": 8, "per_class": 16} | values)
    sets = add_label_sets(pairs, share=0.2)
    return write_bundle(folder, sets, licence="CC0", source="drawn at random", recipe={"seed": 0})


def small_config(bundle: Path, **values: Any) -> RunConfig:
    plain: dict[str, Any] = {"data": str(bundle), "hyperparameters": TINY, "device": "cpu", "splits": 2}
    return RunConfig.from_dict(plain | values)


def table_of(done: Experiment) -> GridTable:
    """The records of an experiment as a table of a grid."""
    facts = done.records[0].facts
    return GridTable(tuple(entries_of(done.config)), facts["data"], facts["data_hash"], done.records)


def make_grid_here(grid: Grid, directory: Path) -> GridResult:
    """Make the runs of a grid in this process, which is faster for a few small ones, and read it."""
    for entry in grid.entries:
        data_hash = bundle_hash(load_dataset(entry.config.data))
        for run in grid_runs(entry.config, data_hash):
            run.folder(directory).mkdir(parents=True, exist_ok=True)
            make_run(run.folder(directory), run.config, data_hash, 1)
    return run_grid(grid, directory, jobs=1)
