"""Experiments: configuration, selection on validation classes, runs on disk, tables of runs."""

from __future__ import annotations

from masln.experiments.comparison import comparison_methods, comparison_rows, rows_with_cost
from masln.experiments.config import RunConfig, apply_settings, published_settings, read_config, read_setting
from masln.experiments.directory import RunDirectory
from masln.experiments.encoding import RawItems, bundle_items, image_items, open_encoder, read_queries, text_items
from masln.experiments.experiment import (
    Experiment,
    baseline_of,
    check_data,
    evaluate_experiment,
    read_experiment,
    run_experiment,
    run_with_attention,
)
from masln.experiments.joining import JoinedRun, JoinedRuns, join_runs
from masln.experiments.options import default_directory, make_config
from masln.experiments.processes import available_cores
from masln.experiments.record import RunRecord
from masln.experiments.runs import evaluate_method
from masln.experiments.selection import Selection, fit_selected
from masln.experiments.summary import summary_rows

__all__ = [
    "Experiment",
    "JoinedRun",
    "JoinedRuns",
    "RawItems",
    "RunConfig",
    "RunDirectory",
    "RunRecord",
    "Selection",
    "apply_settings",
    "available_cores",
    "baseline_of",
    "bundle_items",
    "check_data",
    "comparison_methods",
    "comparison_rows",
    "default_directory",
    "evaluate_experiment",
    "evaluate_method",
    "fit_selected",
    "image_items",
    "join_runs",
    "make_config",
    "open_encoder",
    "published_settings",
    "read_config",
    "read_experiment",
    "read_queries",
    "read_setting",
    "rows_with_cost",
    "run_experiment",
    "run_with_attention",
    "summary_rows",
    "text_items",
]
