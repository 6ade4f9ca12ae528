"""GridTable: the entries of a grid that stand in one table, those that failed among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from masln.data import PairedDataset, bundle_hash
from masln.errors import ConfigError
from masln.evaluation import Protocol
from masln.experiments.comparison import rows_with_cost
from masln.experiments.config import RunConfig
from masln.experiments.grid import Grid, GridEntry
from masln.experiments.record import RunRecord

__all__ = ["GridTable", "group_entries"]


@dataclass(frozen=True, eq=False)
class GridTable:
    """Entries of one dataset, protocol, rule of class splits and share of the training pairs.

    Attributes:
        entries: In the order of the grid.
        data: Name of the dataset.
        data_hash: Of the bundle.
        records: Of the entries all of whose runs ended well; ``method`` is the label, and a run that re-ranked is two.
        failed: Label of each other entry, and why in one line, with the log where a run began.
    """

    entries: tuple[GridEntry, ...]
    data: str
    data_hash: str
    records: list[RunRecord]
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def config(self) -> RunConfig:
        """Of the first entry; what is not of the method is that of all."""
        return self.entries[0].config

    @property
    def protocol(self) -> Protocol:
        """That all were scored under."""
        return self.config.protocol

    @property
    def class_split(self) -> str:
        """Rule of the class splits."""
        return self.config.split_rule[0]

    @property
    def unseen_share(self) -> float | None:
        """Share of unseen classes of a random rule, else None."""
        return self.config.split_rule[1]

    @property
    def splits(self) -> int:
        """Number of class splits."""
        return self.config.splits

    @property
    def seeds(self) -> int:
        """Most seeds of a method on each class split."""
        return max(entry.config.seeds for entry in self.entries)

    @property
    def class_splits(self) -> list[str]:
        """Hash of each class split, in the order of their numbers; none where every entry failed."""
        found = {record.facts["split"]: str(record.facts["class_split_hash"]) for record in self.records}
        return [found[number] for number in sorted(found)]

    def rows(self, baseline: str | None = "cca") -> list[dict[str, Any]]:
        """The rows of ``rows_with_cost``, and in every part one of each entry that failed, without figures.

        Args:
            baseline: Label of the entry that others are tested against; nothing is tested where it has no figures.

        Returns:
            Rows with ``failed`` too: why, or None. Where every entry failed the part is empty.
        """
        tested = baseline if any(record.method == baseline for record in self.records) else None
        rows = rows_with_cost(self.records, baseline=tested) if self.records else []
        parts = list(dict.fromkeys(row["part"] for row in rows)) or [""]
        empty = dict.fromkeys(rows[0] if rows else _COLUMNS) | {"runs": 0}
        found = []
        for part in parts:
            found += [row | {"failed": None} for row in rows if row["part"] == part]
            found += [empty | {"part": part, "method": label, "failed": why} for label, why in self.failed.items()]
        return found


_COLUMNS = (
    *("part", "method", "i2t", "t2i", "average", "low", "high", "interval", "p_splits", "p", "wins", "runs"),
    *("processor_seconds", "tried", "peak_memory"),
)


def group_entries(grid: Grid, datasets: Mapping[str, PairedDataset]) -> list[tuple[GridEntry, ...]]:
    """The entries of each table, in the order of the grid.

    Args:
        grid: What is run.
        datasets: By the name or path that configurations give.

    Raises:
        ConfigError: two entries of a table have one label, or others class splits.
    """
    groups: dict[tuple[Any, ...], list[GridEntry]] = {}
    for entry in grid.entries:
        config, dataset = entry.config, datasets[entry.config.data]
        key = dataset.name, bundle_hash(dataset), *config.table
        groups.setdefault(key, []).append(entry)
    for entries in groups.values():
        _check_table(entries)
    return [tuple(entries) for entries in groups.values()]


def _check_table(entries: Sequence[GridEntry]) -> None:
    labels = [entry.label for entry in entries]
    first = entries[0]
    for number, entry in enumerate(entries):
        if entry.label in labels[:number]:
            raise ConfigError(f"two entries of a table on {entry.config.data} are called {entry.label!r}; rename one")
        for name in ("seed", "splits"):
            ours, theirs = getattr(entry.config, name), getattr(first.config, name)
            if ours != theirs:
                raise ConfigError(
                    f"{entry.label!r} has {name} {ours} and {first.label!r} {theirs}, but a table on "
                    f"{entry.config.data} needs the same class splits: make them equal"
                )
