"""The tables that ``masln compare`` prints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from masln.errors import ConfigError, unknown_name
from masln.experiments import GridTable, SweptTable, curve_rows
from masln.experiments.config import setting_words
from masln.experiments.record import GENERALIZED
from masln.reporting.experiments import (
    INSTANCE_NOTE,
    experiment_facts,
    experiment_remarks,
    experiment_title,
    p_note,
    shown_row,
)
from masln.reporting.tables import print_table

__all__ = ["COST_NOTE", "comparison_cells", "print_comparison"]


def print_comparison(
    tables: Sequence[GridTable | SweptTable],
    *,
    parts: str | None = None,
    as_json: bool = False,
    quiet: bool = False,
    baseline: str = "cca",
) -> None:
    """Print each table, a row a part and method, the best first within a part, or everything as one JSON object.

    Args:
        tables: Of a grid; of swept ones each says what it is of, and the curves follow: a line a value.
        parts: Names parted by commas; by default those that the setting is about.
        as_json: Print JSON, of all parts unless some are named.
        quiet: Leave the notes out.
        baseline: What the others were tested against.

    Raises:
        ConfigError: no table has such a part.
    """
    swept = [table if isinstance(table, SweptTable) else SweptTable({}, table, {}) for table in tables]
    rows = [own.table.rows(baseline) for own in swept]
    known = list(dict.fromkeys(row["part"] for own in rows for row in own if row["part"]))
    wanted = None if parts is None else [part.strip() for part in parts.split(",")]
    if unknown := [part for part in wanted or () if part not in known]:
        raise ConfigError(unknown_name("part", unknown[0], known))
    curves = curve_rows(swept, rows)
    if as_json:
        values = [
            experiment_facts(own.table)
            | ({"sweep": dict(own.settings)} if own.settings else {})
            | {"rows": _chosen(found, wanted), "failed": dict(own.table.failed)}
            for own, found in zip(swept, rows, strict=True)
        ]
        print(json.dumps({"tables": values} | ({"curves": _chosen(curves, wanted)} if curves else {}), indent=1))
        return
    main = [part for part in known if part != "harmonic" and not part.startswith(GENERALIZED)]
    settings = {own.table.protocol.setting for own in swept}
    for own, found in zip(swept, rows, strict=True):
        shown = main if parts is None and own.table.protocol.setting == "seen_unseen" else wanted
        title = f"{_words(own.settings)}\n" * bool(own.settings) + experiment_title(own.table)
        cells = [comparison_cells(row) for row in _chosen(found, shown)]
        print_table(cells, title=title, notes=[] if quiet else _notes(own.table, baseline))
    if curves:
        shown = main if parts is None and settings == {"seen_unseen"} else wanted
        several = len({row["data"] for row in curves}) > 1
        print_table([_curve_cells(row, several=several) for row in _chosen(curves, shown)], title="Curves, mAP@all")


def _curve_cells(row: dict[str, Any], *, several: bool) -> dict[str, Any]:
    low, high = row["low"], row["high"]
    return {
        **({"data": row["data"]} if several else {}),
        "part": row["part"],
        "method": row["method"],
        "at": _words(row["sweep"]),
        "average": "failed" if row["failed"] else row["average"],
        "95% interval": None if low is None else f"[{low:.3f}, {high:.3f}] {row['interval']}",
    }


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={setting_words(value)}" for key, value in settings.items())


def _chosen(rows: Sequence[dict[str, Any]], parts: Sequence[str] | None) -> list[dict[str, Any]]:
    """The rows of some parts in their order; those of a table without figures have no part and are always there."""
    if parts is None:
        return list(rows)
    return [row for part in (*parts, "") for row in rows if row["part"] == part]


def _notes(table: GridTable, baseline: str) -> list[str]:
    instance = [INSTANCE_NOTE] * (table.protocol.relevance == "instance")
    failed = [f"{label} failed: {why}." for label, why in table.failed.items()]
    return [p_note(baseline), COST_NOTE, *instance, *experiment_remarks(table), *failed]


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
