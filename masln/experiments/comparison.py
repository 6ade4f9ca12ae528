"""A comparison of methods: which take part, and what each cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from masln.errors import ConfigError
from masln.experiments.record import RunRecord
from masln.experiments.summary import summary_rows
from masln.models import method_resolver

__all__ = ["RIDGE_CCA", "baseline_among", "comparison_methods", "rows_with_cost"]

RIDGE_CCA = "ridge CCA"  # label of the baseline where a published CCA stands beside it


def baseline_among(methods: Sequence[str]) -> str | None:
    """The method that others are tested against: ridge CCA, by whichever of its names it is there; or None."""
    return next((name for name in (RIDGE_CCA, "cca") if name in methods), None)


def comparison_methods(methods: str, baselines: str) -> list[str]:
    """Names of the methods of a comparison, each once, the baselines last.

    Args:
        methods: Names parted by commas, or ``all``.
        baselines: Names parted by commas, or nothing.

    Raises:
        ConfigError: there is none.
    """
    listed = [name.strip() for name in methods.split(",")]
    own = [found for name in listed for found in (method_resolver.lookup_dict if name == "all" else [name])]
    last = [name.strip() for name in baselines.split(",") if name.strip()]
    names = [name for name in dict.fromkeys(own) if name and name not in last] + list(dict.fromkeys(last))
    if not names:
        raise ConfigError("no method to compare; name some, or all, by --methods")
    return names


def rows_with_cost(records: Sequence[RunRecord], *, baseline: str | None) -> list[dict[str, Any]]:
    """Rows of ``summary_rows``, best first within a part, each with what the method cost.

    Args:
        records: Under one protocol.
        baseline: See ``summary_rows``.

    Returns:
        Rows with ``processor_seconds`` too, the mean of a run with its selection, which unlike the wall clock no run
        beside it lengthens, None where older runs recorded none; ``tried``, how many configurations a run held against
        each other on validation classes; and ``peak_memory``, in bytes the most of any run, None where it was not
        measured.
    """
    rows = summary_rows(records, baseline=baseline)
    order = {part: number for number, part in enumerate(dict.fromkeys(row["part"] for row in rows))}
    for row in rows:
        facts = [record.facts for record in records if record.method == row["method"]]
        peaks = [fact["peak_memory"] for fact in facts if fact.get("peak_memory") is not None]
        times = [fact["processor_seconds"] for fact in facts if fact.get("processor_seconds") is not None]
        row["processor_seconds"] = float(np.mean(times)) if times else None
        row["tried"] = max(max(len(fact["candidates"]), 1) for fact in facts)
        row["peak_memory"] = max(peaks, default=None)
    return sorted(rows, key=lambda row: (order[row["part"]], -row["average"]))
