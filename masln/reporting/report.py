"""The report of one or several run directories: its tables, and what ``masln report`` prints of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masln.experiments import JoinedRuns, join_runs, rows_with_cost
from masln.experiments.record import GENERALIZED
from masln.progress import progress_bar
from masln.reporting.comparison import COST_NOTE, comparison_cells
from masln.reporting.experiments import INSTANCE_NOTE, p_note
from masln.reporting.tables import format_cell, print_table

__all__ = ["Report", "ReportTable", "make_report", "print_report", "report_value"]


@dataclass(frozen=True, eq=False)
class ReportTable:
    """Joined runs and the rows of their table.

    Attributes:
        joined: The runs.
        rows: As of ``rows_with_cost``: a row a part and method, the best first within a part.
    """

    joined: JoinedRuns
    rows: list[dict[str, Any]]

    @property
    def parts(self) -> list[str]:
        """All parts, in order."""
        return list(dict.fromkeys(row["part"] for row in self.rows))

    @property
    def main_parts(self) -> list[str]:
        """Those that the setting is about, without harmonic means."""
        scored = [part for part in self.parts if part != "harmonic"]
        return [part for part in scored if not part.startswith(GENERALIZED)] or scored

    @property
    def about_splits(self) -> str:
        """The class splits in words: how many, by which rule; and the share of the training pairs, if not all."""
        joined, count = self.joined, len(self.joined.class_splits)
        share = "" if joined.unseen_share is None else f", {joined.unseen_share:.0%} of the classes unseen"
        pairs = "" if joined.train_share == 1 else f", {joined.train_share:.0%} of the training pairs"
        return f"{count} class split{'s' * (count > 1)}, {joined.class_split}{share}{pairs}"

    @property
    def title(self) -> str:
        """Dataset, its hash and the class splits."""
        return f"{self.joined.data} ({self.joined.data_hash}): {self.about_splits}"

    def rows_of(self, part: str) -> list[dict[str, Any]]:
        """The rows of one part."""
        return [row for row in self.rows if row["part"] == part]

    def cells(self) -> list[dict[str, str]]:
        """The rows as they are shown; a column in which nothing stands is left out."""
        rows = [
            {key: format_cell(cell) for key, cell in (comparison_cells(row) | {"runs": row["runs"]}).items()}
            for row in self.rows
        ]
        kept = [key for key in rows[0] if any(row[key] != format_cell(None) for row in rows)]
        return [{key: row[key] for key in kept} for row in rows]

    @property
    def notes(self) -> list[str]:
        """What a reader must know to read the table."""
        notes = list(self.joined.notes)
        if len(self.joined.class_splits) == 1 and self.joined.protocol.setting != "standard":
            notes.append("one class split alone: such figures carry no claim")
        if self.joined.baseline and len(self.joined.methods) > 1:
            notes.append(p_note(self.joined.baseline))
        if self.joined.protocol.relevance == "instance":
            notes.append(INSTANCE_NOTE)
        return [*notes, COST_NOTE]


@dataclass(frozen=True, eq=False)
class Report:
    """All tables, those of one dataset beside each other.

    Attributes:
        tables: One for each dataset, protocol, rule of class splits and share of training pairs.
    """

    tables: list[ReportTable]

    @property
    def datasets(self) -> dict[tuple[str, str], list[ReportTable]]:
        """Name and hash of each dataset to its tables."""
        found: dict[tuple[str, str], list[ReportTable]] = {}
        for table in self.tables:
            found.setdefault((table.joined.data, table.joined.data_hash), []).append(table)
        return found


def make_report(directories: Sequence[Path], *, progress: bool = False) -> Report:
    """Join run directories and work out the rows of each table.

    Args:
        directories: Finished ones of ``masln train`` or ``masln compare``.
        progress: Show a bar, where standard error is a terminal.

    Raises:
        ConfigError: a folder is no run directory, or runs do not stand in one table.
        CheckpointError: a run is unfinished or damaged.
    """
    groups = join_runs(directories)
    tables = []
    with progress_bar("tables", len(groups), show=progress) as advance:
        for joined in groups:
            tables.append(ReportTable(joined, rows_with_cost(joined.records, baseline=joined.baseline)))
            advance()
    return Report(tables)


def report_value(report: Report) -> list[dict[str, Any]]:
    """The tables as JSON values, figures unrounded."""
    return [
        {
            "data": table.joined.data,
            "data_hash": table.joined.data_hash,
            "protocol": table.joined.protocol.to_dict() | {"hash": table.joined.protocol.hash},
            "class_split": table.joined.class_split,
            "unseen_share": table.joined.unseen_share,
            "train_share": table.joined.train_share,
            "class_splits": table.joined.class_splits,
            "notes": list(table.joined.notes),
            "rows": table.rows,
        }
        for table in report.tables
    ]


def print_report(report: Report, *, written: Sequence[Path] = (), as_json: bool = False, quiet: bool = False) -> None:
    """Print the tables to standard output.

    Args:
        report: What was read.
        written: Files that were made of it.
        as_json: Print one JSON object instead.
        quiet: Print the tables alone.
    """
    if as_json:
        print(json.dumps({"tables": report_value(report), "written": list(map(str, written))}, indent=1))
        return
    for number, table in enumerate(report.tables, start=1):
        notes = [] if quiet else list(table.notes)
        if number == len(report.tables) and not quiet:
            notes += [f"written: {path}" for path in written]
        print_table(table.cells(), title=f"{table.title}\n{table.joined.protocol.describe()}", notes=notes)
