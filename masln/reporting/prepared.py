"""What ``masln prepare`` prints at its end: the pairs of each class and split, and notes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from masln.reporting.counts import count_rows, count_totals
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
    if as_json:
        value = {
            "bundle": str(prepared.folder),
            "counts": prepared.counts,
            "totals": count_totals(prepared.counts),
            "guesses": list(prepared.guesses),
            "notes": list(prepared.notes),
            "skipped": list(prepared.skipped),
        }
        print(json.dumps(value, indent=1))
        return
    rows = count_rows(prepared.counts)
    done = f"bundle: {prepared.folder} ({rows[-1]['all']} pairs, {len(rows) - 1} classes)"
    print_table(rows, notes=() if quiet else (*prepared.notes, done))
