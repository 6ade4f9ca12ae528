"""The tables that ``masln compare`` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from masln.errors import ConfigError, unknown_name
from masln.experiments import GridTable
from masln.experiments.record import GENERALIZED
from masln.reporting.experiments import (
    INSTANCE_NOTE,
    P_NOTE,
    experiment_facts,
    experiment_remarks,
    experiment_title,
    shown_row,
)
from masln.reporting.tables import print_table

__all__ = ["COST_NOTE", "comparison_cells", "print_comparison"]


def print_comparison(
    tables: Sequence[GridTable], *, parts: str | None = None, as_json: bool = False, quiet: bool = False
) -> None:
    """Print each table, a row a part and method, the best first within a part, or everything as one JSON object.

    Args:
        tables: Of a grid.
        parts: Names parted by commas; by default those that the setting is about.
        as_json: Print JSON, of all parts unless some are named.
        quiet: Leave the notes out.

    Raises:
        ConfigError: no table has such a part.
    """
    rows = [table.rows() for table in tables]
    known = list(dict.fromkeys(row["part"] for own in rows for row in own if row["part"]))
    wanted = None if parts is None else [part.strip() for part in parts.split(",")]
    if unknown := [part for part in wanted or () if part not in known]:
        raise ConfigError(unknown_name("part", unknown[0], known))
    if as_json:
        values = [
            experiment_facts(table) | {"rows": _chosen(own, wanted), "failed": dict(table.failed)}
            for table, own in zip(tables, rows, strict=True)
        ]
        print(json.dumps({"tables": values}, indent=1))
        return
    for table, own in zip(tables, rows, strict=True):
        shown = wanted
        if parts is None and table.protocol.setting == "seen_unseen":
            shown = [part for part in known if part != "harmonic" and not part.startswith(GENERALIZED)]
        cells = [comparison_cells(row) for row in _chosen(own, shown)]
        print_table(cells, title=experiment_title(table), notes=[] if quiet else _notes(table))


def _chosen(rows: Sequence[dict[str, Any]], parts: Sequence[str] | None) -> list[dict[str, Any]]:
    """The rows of some parts in their order; those of a table without figures have no part and are always there."""
    if parts is None:
        return list(rows)
    return [row for part in (*parts, "") for row in rows if row["part"] == part]


def _notes(table: GridTable) -> list[str]:
    instance = [INSTANCE_NOTE] * (table.protocol.relevance == "instance")
    failed = [f"{label} failed: {why}." for label, why in table.failed.items()]
    return [P_NOTE, COST_NOTE, *instance, *experiment_remarks(table), *failed]


COST_NOTE = (
    "tried: configurations that a run held against each other on validation classes; "
    "time: of the processor, mean of a run with its selection on validation classes; "
    "memory: most that the process of a run held, Python and its libraries included."
)


def comparison_cells(row: dict[str, Any]) -> dict[str, Any]:
    """The cells of one row of ``rows_with_cost``, or of an entry that failed."""
    seconds, memory = row["processor_seconds"], row["peak_memory"]
    cells = shown_row(row)
    if row.get("failed"):
        cells["average"] = "failed"
    cells["tried"] = row["tried"]
    cells["time"] = None if seconds is None else f"{seconds:.1f} s"
    cells["memory"] = None if memory is None else f"{memory / 2**20:,.0f} MiB"
    return cells
