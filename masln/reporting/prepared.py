"""What ``masln prepare`` prints at its end: the pairs of each class and split, and notes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from masln.reporting.tables import print_table

if TYPE_CHECKING:
    from masln.preparation import Prepared

__all__ = ["print_prepared"]


def print_prepared(prepared: Prepared, *, as_json: bool = False, quiet: bool = False) -> None:
    """Print a finished preparation to standard output.

    Args:
        prepared: What was made.
        as_json: Print one JSON object instead.
        quiet: Print the table alone.
    """
    totals = {part: sum(parts[part] for parts in prepared.counts.values()) for part in ("train", "validation", "test")}
    if as_json:
        value = {
            "bundle": str(prepared.folder),
            "counts": prepared.counts,
            "totals": totals,
            "guesses": list(prepared.guesses),
            "notes": list(prepared.notes),
            "skipped": list(prepared.skipped),
        }
        print(json.dumps(value, indent=1))
        return
    shown = [part for part, total in totals.items() if total or part != "validation"]
    rows: list[dict[str, Any]] = [
        {"class": name, **{part: parts[part] for part in shown}, "all": sum(parts.values())}
        for name, parts in prepared.counts.items()
    ]
    rows.append({"class": "all", **{part: totals[part] for part in shown}, "all": sum(totals.values())})
    done = f"bundle: {prepared.folder} ({rows[-1]['all']} pairs, {len(rows) - 1} classes)"
    print_table(rows, notes=() if quiet else (*prepared.notes, done))
