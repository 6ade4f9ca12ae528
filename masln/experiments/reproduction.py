"""Reproduction: figures of ours beside those of a published table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masln.evaluation import Agreement, order_agreement
from masln.experiments.comparison import RIDGE_CCA, rows_with_cost
from masln.experiments.grid_run import run_grid
from masln.experiments.grid_table import GridTable
from masln.experiments.published_table import Figures
from masln.experiments.record import RunRecord
from masln.experiments.reproduction_plan import ReproductionPlan, TableBundle, TableRow

__all__ = ["ReproducedDataset", "ReproducedRow", "Reproduction", "assemble_reproduction", "reproduce"]


@dataclass(frozen=True, eq=False)
class ReproducedRow:
    """A row of the table on one bundle.

    Attributes:
        label: Of the row.
        published: Figures in print; None where there are none.
        source: Where these were read.
        ours: By class split rule, as a row of ``rows_with_cost`` whose p value is corrected over this part alone.
        failed: By class split rule, why there are none, with the log where a run began.
    """

    label: str
    published: Figures | None
    source: str
    ours: Mapping[str, Mapping[str, Any]]
    failed: Mapping[str, str]

    def difference(self, rule: str) -> float | None:
        """Average of ours less the published one."""
        if self.published is None or rule not in self.ours:
            return None
        return float(self.ours[rule]["average"]) - self.published.average


@dataclass(frozen=True, eq=False)
class ReproducedDataset:
    """The table on one bundle.

    Attributes:
        bundle: Its dataset, folder and features.
        data_hash: Of its content.
        class_splits: Hashes by rule.
        rows: In the order of the plan.
        agreement: Of the order of ours with the published one, by rule; None where fewer than three rows have both.
    """

    bundle: TableBundle
    data_hash: str
    class_splits: Mapping[str, list[str]]
    rows: list[ReproducedRow]
    agreement: Mapping[str, Agreement | None]


@dataclass(frozen=True, eq=False)
class Reproduction:
    """A published table run again.

    Attributes:
        plan: What was run.
        datasets: One a bundle.
        directory: Of the runs.
    """

    plan: ReproductionPlan
    datasets: list[ReproducedDataset]
    directory: Path


def reproduce(
    plan: ReproductionPlan,
    directory: Path,
    *,
    jobs: int | None = None,
    threads: int | None = None,
    cluster: str | None = None,
    progress: bool = False,
) -> Reproduction:
    """Make the runs that are not there, and put ours beside the published figures.

    Args:
        plan: Of ``plan_reproduction``.
        directory: Of the runs; several tables may share it, and those of one protocol share their runs.
        jobs: See ``run_grid``, whose errors are raised.
        threads: See there.
        cluster: See there.
        progress: Show a bar, where standard error is a terminal.
    """
    found = run_grid(plan.grid, directory, jobs=jobs, threads=threads, cluster=cluster, progress=progress)
    return assemble_reproduction(plan, found.tables, directory)


def assemble_reproduction(plan: ReproductionPlan, tables: list[GridTable], directory: Path) -> Reproduction:
    """Put the tables of a grid beside the published figures, without running anything."""
    datasets = []
    for bundle in plan.bundles:
        own = {table.class_split: table for table in tables if table.config.data == str(bundle.folder)}
        ours = {rule: _rows_by_label(own[rule], plan.table.part) for rule in plan.rules}
        labels = list(
            dict.fromkeys([*(row.label for row in plan.rows), *(label for rows in ours.values() for label in rows)])
        )
        planned = {row.label: row for row in plan.rows}
        rows = [_row(plan, bundle, label, planned.get(label), ours, own) for label in labels]
        agreement = {rule: _agreement(rows, rule) for rule in plan.rules}
        splits = {rule: own[rule].class_splits for rule in plan.rules}
        datasets.append(ReproducedDataset(bundle, own[plan.rules[0]].data_hash, splits, rows, agreement))
    return Reproduction(plan, datasets, directory)


def _row(
    plan: ReproductionPlan,
    bundle: TableBundle,
    label: str,
    planned: TableRow | None,
    ours: Mapping[str, Mapping[str, Mapping[str, Any]]],
    own: Mapping[str, GridTable],
) -> ReproducedRow:
    """One row; ``planned`` is None for what a joint scorer's run re-ranked, a row more than was asked for."""
    published = None if planned is None else planned.published
    return ReproducedRow(
        label,
        None if published is None else published.figures.get(bundle.dataset),
        "" if published is None else plan.table.sources[published.source],
        {rule: rows[label] for rule, rows in ours.items() if label in rows},
        {rule: table.failed[label] for rule, table in own.items() if label in table.failed},
    )


def _rows_by_label(table: GridTable, part: str) -> dict[str, dict[str, Any]]:
    """The rows of one part alone: the p values are corrected over those that stand in one table with them."""
    records = [
        dataclasses.replace(record, parts={part: record.parts[part]}, per_query=_queries(record, part))
        for record in table.records
    ]
    if not records:
        return {}
    tested = RIDGE_CCA if any(record.method == RIDGE_CCA for record in records) else None
    return {row["method"]: row for row in rows_with_cost(records, baseline=tested)}


def _queries(record: RunRecord, part: str) -> Any:
    return record.per_query[record.per_query["part"] == part].reset_index(drop=True)


def _agreement(rows: list[ReproducedRow], rule: str) -> Agreement | None:
    both = [(row.ours[rule]["average"], row.published.average) for row in rows if row.published and rule in row.ours]
    return order_agreement([ours for ours, _ in both], [theirs for _, theirs in both])
