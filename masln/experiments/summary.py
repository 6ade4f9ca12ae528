"""The table of an experiment: means, intervals, p values and wins, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from masln.evaluation import (
    bootstrap_interval,
    count_wins,
    holm,
    paired_permutation_test,
    paired_t_test,
    student_interval,
)
from masln.experiments.record import RunRecord

__all__ = ["summary_rows"]


def summary_rows(records: Sequence[RunRecord], *, baseline: str | None = None) -> list[dict[str, Any]]:
    """Aggregate records into one row a part and method.

    The interval is Student's t over class splits (seeds averaged within each), over seeds where there is one
    split, and the bootstrap over queries where there is one run. The harmonic mean of one run has none, nor has one run
    whose queries were not kept.

    Args:
        records: Runs of one configuration.
        baseline: Method that others are compared with: by the paired t test over class splits (seeds averaged), by
            the paired permutation test over queries (seeds averaged, splits pooled), each Holm-corrected over the
            table, and by wins over splits. The first asks whether the methods differ, the second whether these fitted
            models do: seeds alone can make it small.

    Returns:
        Rows with ``part``, ``method``, ``i2t``, ``t2i``, ``average``, ``low``, ``high``, ``interval`` (what it
        is over), ``p_splits`` (None with one class split too), ``p`` (over queries; None where records keep none) and
        ``wins`` (None without a baseline), ``runs``. With relevance ``instance`` also ``R@k`` for
        each cutoff and ``median_rank``, each with ``i2t``, ``t2i`` and ``average`` (None of a harmonic mean).
    """
    methods = list(dict.fromkeys(record.method for record in records))
    rows = []
    for part in records[0].parts:
        for method in methods:
            own = [record for record in records if record.method == method]
            row: dict[str, Any] = {"part": part, "method": method}
            row |= {d: float(np.mean([record.map(part, d) for record in own])) for d in ("i2t", "t2i", "average")}
            row |= _interval(own, part) | {"p_splits": None, "p": None, "wins": None, "runs": len(own)}
            row |= {name: _instance_figure(own, part, name) for name in _instance_names(records[0])}
            if baseline and method != baseline and baseline in methods:
                row |= _comparison(own, [record for record in records if record.method == baseline], part)
            rows.append(row)
    for name in ("p_splits", "p"):
        tested = [row for row in rows if row[name] is not None]
        for row, p in zip(tested, holm([row[name] for row in tested]), strict=True):
            row[name] = float(p)
    return rows


def _interval(records: Sequence[RunRecord], part: str) -> dict[str, Any]:
    by_split = _by_split(records, part)
    over = "splits" if len(by_split) > 1 else "seeds"
    values = list(by_split.values()) if len(by_split) > 1 else [record.map(part) for record in records]
    if len(values) > 1:
        interval = student_interval(values)
    elif part == "harmonic" or not len(records[0].per_query):
        return {"low": None, "high": None, "interval": None}
    else:
        interval, over = bootstrap_interval(records[0].average_precision(part).dropna().to_numpy()), "queries"
    return {"low": interval.low, "high": interval.high, "interval": over}


def _instance_names(record: RunRecord) -> list[str]:
    """The figures of caption retrieval, which only relevance ``instance`` has."""
    metrics = next(iter(record.parts.values()))["average"].get("metrics", {})
    return [name for name in metrics if name.startswith("R@") or name == "median_rank"]


def _instance_figure(records: Sequence[RunRecord], part: str, name: str) -> dict[str, float] | None:
    if part == "harmonic":
        return None
    values = {d: [record.parts[part][d]["metrics"][name] for record in records] for d in ("i2t", "t2i", "average")}
    return {direction: float(np.mean(figures)) for direction, figures in values.items()}


def _by_split(records: Sequence[RunRecord], part: str) -> dict[int, float]:
    figures: dict[int, list[float]] = {}
    for record in records:
        figures.setdefault(record.facts["split"], []).append(record.map(part))
    return {split: float(np.mean(values)) for split, values in sorted(figures.items())}


def _comparison(own: Sequence[RunRecord], other: Sequence[RunRecord], part: str) -> dict[str, Any]:
    ours, theirs = _by_split(own, part), _by_split(other, part)
    wins = count_wins(list(ours.values()), list(theirs.values()))
    result: dict[str, Any] = {"wins": f"{wins.wins}/{len(ours)}"}
    if len(ours) > 1:
        result["p_splits"] = paired_t_test(list(ours.values()), list(theirs.values()))
    kept = all(len(record.per_query) for record in (*own, *other))
    if part != "harmonic" and kept:  # a figure of all queries at once has no per-query pairs
        paired = pd.concat([_queries(own, part), _queries(other, part)], axis=1, join="inner").dropna()
        values = paired.to_numpy()
        result["p"] = paired_permutation_test(values[:, 0], values[:, 1])
    return result


def _queries(records: Sequence[RunRecord], part: str) -> pd.Series:
    """Average precision by (split, row), the mean over seeds."""
    columns = [
        record.average_precision(part).rename("value").reset_index().assign(split=record.facts["split"])
        for record in records
    ]
    return pd.concat(columns).groupby(["split", "row"])["value"].mean()
