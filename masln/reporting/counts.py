"""The table of pairs by class and part of the split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["count_rows", "count_totals"]

Counts = Mapping[str, Mapping[str, int]]


def count_totals(counts: Counts) -> dict[str, int]:
    """Pairs of all classes by part."""
    parts = dict.fromkeys(part for own in counts.values() for part in own)
    return {part: sum(own[part] for own in counts.values()) for part in parts}


def count_rows(counts: Counts, carried: Counts | None = None) -> list[dict[str, Any]]:
    """A row a class and one for all; a column for validation only where it has pairs, none where there is no split.

    Args:
        counts: What ``masln.data.counts_of`` returns.
        carried: What ``masln.data.carried_counts_of`` returns: adds the same columns for pairs that carry the class at
            all, None in the last row, since a pair stands in several rows.
    """
    totals = count_totals(counts)
    shown = [part for part, total in totals.items() if part in ("train", "test") or (part == "validation" and total)]
    rows: list[dict[str, Any]] = []
    for name, own in [*counts.items(), ("all", totals)]:
        row: dict[str, Any] = {"class": name, **{part: own[part] for part in shown}, "all": sum(own.values())}
        if carried is not None:
            has = None if len(rows) == len(counts) else carried[name]
            row |= {f"carried in {part}": None if has is None else has[part] for part in shown}
            row["carried"] = None if has is None else sum(has.values())
        rows.append(row)
    return rows
