"""Experiments: configuration, selection on validation classes, runs on disk, tables of runs."""

from __future__ import annotations

from masln.experiments.comparison import comparison_methods, rows_with_cost
from masln.experiments.config import RunConfig, apply_settings, published_settings, read_config, read_setting
from masln.experiments.directory import RunDirectory, require_free
from masln.experiments.experiment import (
    Experiment,
    baseline_of,
    check_data,
    evaluate_experiment,
    read_experiment,
    run_experiment,
    run_with_attention,
)
from masln.experiments.grid import Grid, GridEntry, entries_of, grid_names, read_grid
from masln.experiments.grid_run import GridResult, run_grid
from masln.experiments.grid_table import GridTable
from masln.experiments.joining import JoinedRun, JoinedRuns, join_runs
from masln.experiments.options import default_directory, make_config
from masln.experiments.processes import available_cores
from masln.experiments.record import RunRecord
from masln.experiments.runs import evaluate_method
from masln.experiments.selection import Selection, fit_selected
from masln.experiments.summary import summary_rows

__all__ = [
    "Experiment",
    "Grid",
    "GridEntry",
    "GridResult",
    "GridTable",
    "JoinedRun",
    "JoinedRuns",
    "RunConfig",
    "RunDirectory",
    "RunRecord",
    "Selection",
    "apply_settings",
    "available_cores",
    "baseline_of",
    "check_data",
    "comparison_methods",
    "default_directory",
    "entries_of",
    "evaluate_experiment",
    "evaluate_method",
    "fit_selected",
    "grid_names",
    "join_runs",
    "make_config",
    "published_settings",
    "read_config",
    "read_experiment",
    "read_grid",
    "read_setting",
    "require_free",
    "rows_with_cost",
    "run_experiment",
    "run_grid",
    "run_with_attention",
    "summary_rows",
]
