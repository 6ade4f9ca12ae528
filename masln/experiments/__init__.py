"""Experiments: configuration, selection on validation classes, runs on disk, tables of runs."""

from __future__ import annotations

from masln.experiments.ablation import ABLATIONS, FULL, ablation_entries
from masln.experiments.class_vectors import RunClassVectors, read_class_vector
from masln.experiments.comparison import RIDGE_CCA, comparison_methods, rows_with_cost
from masln.experiments.config import RunConfig, apply_settings, published_settings, read_config, read_setting
from masln.experiments.directory import RunDirectory, require_free
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
from masln.experiments.export import Export, ExportedEncoder, export_run
from masln.experiments.freed_memory import keep_freed_memory
from masln.experiments.grid import Grid, GridEntry, entries_of, grid_names, read_grid
from masln.experiments.grid_run import GridResult, run_grid
from masln.experiments.grid_table import GridTable
from masln.experiments.joining import JoinedRun, JoinedRuns, join_runs
from masln.experiments.options import default_directory, make_config
from masln.experiments.processes import available_cores
from masln.experiments.published_table import (
    Figures,
    PublishedTable,
    TableDataset,
    TableMethod,
    published_tables,
    read_table,
)
from masln.experiments.record import RunRecord
from masln.experiments.reproduction import (
    ReproducedDataset,
    ReproducedRow,
    Reproduction,
    assemble_reproduction,
    reproduce,
)
from masln.experiments.reproduction_plan import (
    ReproductionPlan,
    TableBundle,
    TableRow,
    plan_reproduction,
)
from masln.experiments.runs import evaluate_method
from masln.experiments.selection import Selection, fit_selected
from masln.experiments.summary import summary_rows
from masln.experiments.sweep import Sweep, SweptTable, curve_rows, read_sweep, sweep_entries, swept_tables

__all__ = [
    "ABLATIONS",
    "FULL",
    "RIDGE_CCA",
    "Experiment",
    "Export",
    "ExportedEncoder",
    "Figures",
    "Grid",
    "GridEntry",
    "GridResult",
    "GridTable",
    "JoinedRun",
    "JoinedRuns",
    "PublishedTable",
    "RawItems",
    "ReproducedDataset",
    "ReproducedRow",
    "Reproduction",
    "ReproductionPlan",
    "RunClassVectors",
    "RunConfig",
    "RunDirectory",
    "RunRecord",
    "Selection",
    "Sweep",
    "SweptTable",
    "TableBundle",
    "TableDataset",
    "TableMethod",
    "TableRow",
    "ablation_entries",
    "apply_settings",
    "assemble_reproduction",
    "available_cores",
    "baseline_of",
    "bundle_items",
    "check_data",
    "comparison_methods",
    "curve_rows",
    "default_directory",
    "entries_of",
    "evaluate_experiment",
    "evaluate_method",
    "export_run",
    "fit_selected",
    "grid_names",
    "image_items",
    "join_runs",
    "keep_freed_memory",
    "make_config",
    "open_encoder",
    "plan_reproduction",
    "published_settings",
    "published_tables",
    "read_class_vector",
    "read_config",
    "read_experiment",
    "read_grid",
    "read_queries",
    "read_setting",
    "read_sweep",
    "read_table",
    "reproduce",
    "require_free",
    "rows_with_cost",
    "run_experiment",
    "run_grid",
    "run_with_attention",
    "summary_rows",
    "sweep_entries",
    "swept_tables",
    "text_items",
]
