"""Experiments: configuration, selection on validation classes, runs on disk, tables of runs."""

from __future__ import annotations

from masln.experiments.config import RunConfig, apply_settings, read_config, read_setting
from masln.experiments.directory import RunDirectory
from masln.experiments.experiment import (
    Experiment,
    baseline_of,
    evaluate_experiment,
    evaluate_method,
    read_experiment,
    run_experiment,
)
from masln.experiments.options import default_directory, make_config
from masln.experiments.record import RunRecord
from masln.experiments.selection import Selection, fit_selected
from masln.experiments.summary import summary_rows

__all__ = [
    "Experiment",
    "RunConfig",
    "RunDirectory",
    "RunRecord",
    "Selection",
    "apply_settings",
    "baseline_of",
    "default_directory",
    "evaluate_experiment",
    "evaluate_method",
    "fit_selected",
    "make_config",
    "read_config",
    "read_experiment",
    "read_setting",
    "run_experiment",
    "summary_rows",
]
