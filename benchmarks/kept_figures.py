"""Figures of runs kept as lines of a CSV file, so that a table of many runs grows over days and machines.

A run's own directory holds the average precision of every query and its model, megabytes; what a table over class
splits needs of it are these few lines. Tests over queries cannot be made from them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from masln.evaluation import Protocol
from masln.experiments import RunRecord, rows_with_cost
from masln.models import method_resolver
from masln.registry import plain_parameters
from masln.saving import write_atomically

__all__ = ["DIRECTIONS", "KeptFigures", "alone_in", "settings_of", "tables_of"]

DIRECTIONS = ("i2t", "t2i", "average")
_FACTS = ("method", "split", "seed", "settings", "data", "protocol", "tried", "processor_seconds", "peak_memory")
_COLUMNS = (*_FACTS, "part", "measure", *DIRECTIONS)
_REFERENCES = ("masln", "cca", "chance")


def settings_of(name: str) -> str:
    """Hash of a method's defaults and of the search space that it chooses from: with either, its runs are others."""
    method = method_resolver.lookup(name)
    told = {"defaults": plain_parameters(method()), "search_space": method.search_space}
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:12]


class KeptFigures:
    """The kept runs of one dataset under one protocol.

    Args:
        file: The CSV; it need not be there.
        data: Hash of the dataset.
        protocol: Of the figures. Lines of other data, another protocol or other settings of a method do not count, and
            go when the next run is kept.
    """

    def __init__(self, file: Path, *, data: str, protocol: Protocol) -> None:
        self.file, self._facts = file, {"data": data[:12], "protocol": protocol.hash[:12]}
        self._lines = self._read()

    def _read(self) -> pd.DataFrame:
        if not self.file.exists():
            return pd.DataFrame(columns=list(_COLUMNS))
        lines = pd.read_csv(self.file, dtype={"data": str, "protocol": str, "settings": str})
        current = {name: settings_of(name) for name in set(map(_registered, lines["method"]))}
        valid = lines["method"].map(_registered).map(current) == lines["settings"]
        for name, value in self._facts.items():
            valid &= lines[name] == value
        return lines[valid]

    def has(self, method: str, split: int, seed: int = 0) -> bool:
        """Whether the run of a method, by its registered name, on a class split is kept."""
        own = self._lines[self._lines["method"].map(_registered) == method]
        return bool(((own["split"] == split) & (own["seed"] == seed)).any())

    def keep(self, records: Sequence[RunRecord], *, parts: Sequence[str]) -> None:
        """Add runs and write the file; of several processes that do, each waits for the other."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with alone_in(self.file.parent):
            self._add([line for record in records for line in self._lines_of(record, parts)], parts)

    def _add(self, new: list[dict[str, Any]], parts: Sequence[str]) -> None:
        self._lines = self._read()  # another process may have added some since
        self._lines = pd.concat([self._lines, pd.DataFrame(new)]) if len(self._lines) else pd.DataFrame(new)
        order = {part: number for number, part in enumerate(parts)}
        self._lines = self._lines.sort_values(
            ["method", "split", "seed", "part"],
            key=lambda own: own.map(order) if own.name == "part" else own,
            kind="stable",
        )
        table = self._lines.to_csv(index=False, columns=list(_COLUMNS), float_format="%.6g", lineterminator="\n")
        write_atomically(self.file, table.encode())

    def _lines_of(self, record: RunRecord, parts: Sequence[str]) -> list[dict[str, Any]]:
        facts = self._facts | {
            "method": record.method,
            "split": record.facts["split"],
            "seed": record.facts["seed"],
            "settings": settings_of(_registered(record.method)),
            "tried": max(len(record.facts["candidates"]), 1),
            "processor_seconds": record.facts["processor_seconds"],
            "peak_memory": record.facts.get("peak_memory"),
        }
        lines = []
        for part in parts:
            measures = {direction: record.parts[part][direction]["metrics"] for direction in DIRECTIONS}
            for name in measures["average"]:
                if name in ("mAP", "median_rank") or name.startswith("R@"):
                    values = {direction: measures[direction][name] for direction in DIRECTIONS}
                    lines.append(facts | {"part": part, "measure": name} | values)
        return lines

    def records(
        self, splits: Sequence[int], *, methods: Collection[str] = (), beside: Collection[str] = ()
    ) -> tuple[list[RunRecord], dict[str, int]]:
        """The runs of the methods that stand in the table, and the class splits that each other method has.

        The table is over the first class splits, as many of them as leave it the most runs; a method stands in it that
        has all of these, with the seeds that it has on each.

        Args:
            splits: Seeds of the class splits, in their order.
            methods: Of these alone; of all without any.
            beside: These too, where they have the class splits that the others chose.
        """
        grouped = self._lines.groupby("method", sort=False)
        own = {method: set(lines["split"]) for method, lines in grouped if not methods or method in {*methods, *beside}}
        counts = {method: _leading(splits, found) for method, found in own.items()}
        choosing = [count for method, count in counts.items() if method not in beside and count]
        over = max(range(max(choosing, default=0) + 1), key=lambda n: (n * sum(count >= n for count in choosing), n))
        chosen = [method for method, count in counts.items() if over and count >= over]
        records = []
        for method in chosen:
            lines = self._lines[(self._lines["method"] == method) & self._lines["split"].isin(splits[:over])]
            seeds = set.intersection(*(set(own["seed"]) for _, own in lines.groupby("split")))
            runs = lines[lines["seed"].isin(seeds)].groupby(["split", "seed"])
            records += [_record(run) for _, run in runs]
        return records, {method: count for method, count in counts.items() if method not in chosen}


def _table_of(
    figures: KeptFigures,
    protocol: Protocol,
    splits: range,
    *,
    methods: Collection[str] = (),
    beside: Collection[str] = (),
) -> dict[str, Any] | None:
    """Rows of one dataset, tested against CCA together, and how many class splits methods that are not in it have."""
    records, partial = figures.records(splits, methods=methods, beside=beside)
    if not records:
        return None
    rows = rows_with_cost(records, baseline="cca")
    count = len({record.facts["split"] for record in records})
    return {"splits": count, "protocol": protocol.describe(), "rows": rows, "partial": partial}


def tables_of(figures: KeptFigures, protocol: Protocol, splits: range) -> dict[str, dict[str, Any] | None]:
    """The tables of one dataset.

    ``tables`` is of all methods, over the class splits that most have; ``fewer`` of those that have fewer, beside MASLN
    and the baselines on the same; ``masln`` of these alone, over all that they have.
    """
    of_most = _table_of(figures, protocol, splits)
    rest = of_most["partial"] if of_most else {}
    return {
        "tables": of_most,
        "fewer": _table_of(figures, protocol, splits, methods=rest, beside=_REFERENCES) if rest else None,
        "masln": _table_of(figures, protocol, splits, methods=_REFERENCES),
    }


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process is in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _leading(splits: Sequence[int], found: set[int]) -> int:
    return next((number for number, split in enumerate(splits) if split not in found), len(splits))


def _registered(label: str) -> str:
    """The method of a label, which tells of re-ranking too."""
    return label.split(",")[0]


def _record(lines: pd.DataFrame) -> RunRecord:
    first = lines.iloc[0]
    facts = {
        "method": str(first["method"]),
        "split": int(first["split"]),
        "seed": int(first["seed"]),
        "candidates": [{}] * int(first["tried"]),
        "processor_seconds": None if pd.isna(first["processor_seconds"]) else float(first["processor_seconds"]),
        "peak_memory": None if pd.isna(first["peak_memory"]) else int(first["peak_memory"]),
    }
    parts = {
        str(part): {
            direction: {"metrics": dict(zip(own["measure"], map(float, own[direction]), strict=True))}
            for direction in DIRECTIONS
        }
        for part, own in lines.groupby("part", sort=False)
    }
    return RunRecord(facts, parts)
