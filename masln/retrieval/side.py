"""The items of one modality in a gallery, over all of its segments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.errors import CheckpointError
from masln.retrieval.backend import Allowed
from masln.retrieval.items import Item, id_keys
from masln.retrieval.segment import Segment
from masln.retrieval.top_k import Part

__all__ = ["Side"]


@dataclass(frozen=True)
class Side:
    """The items of one modality.

    Attributes:
        segments: In the order in which they came; rows are numbered through them.
        removed: (n,) rows that are no longer there; None for none.
        index: The file of the backend's index; None where it has none.
        recall: Of the first ten of ``exact``, how many the index finds; None where it is not measured.
    """

    segments: tuple[Segment, ...]
    removed: NDArray[np.bool_] | None = None
    index: Path | None = None
    recall: float | None = None

    @property
    def total(self) -> int:
        """Rows, those removed among them."""
        return sum(map(len, self.segments))

    @property
    def gone(self) -> NDArray[np.bool_]:
        """(n,) rows that are no longer there."""
        return np.zeros(self.total, dtype=np.bool_) if self.removed is None else self.removed

    @property
    def labels(self) -> NDArray[np.int32]:
        """(n,) of each row, removed or not."""
        return np.concatenate([segment.labels for segment in self.segments])

    @classmethod
    def open(cls, folder: Path, entry: Mapping[str, Any]) -> Side:
        """Open what a gallery's manifest says of a side.

        Raises:
            CheckpointError: a file is missing or damaged.
        """
        segments = tuple(Segment.open(folder / own["folder"], own) for own in entry["segments"])
        removed = None
        if entry["removed"] is not None:
            removed = np.load(folder / entry["removed"], allow_pickle=False)
            if removed.shape != (sum(map(len, segments)),):
                raise CheckpointError(f"{folder / entry['removed']} does not fit the rows; build the gallery again")
        return cls(segments, removed, None if entry["index"] is None else folder / entry["index"], entry["recall"])

    def __len__(self) -> int:
        return self.total - (0 if self.removed is None else int(self.removed.sum()))

    def place(self, row: int) -> tuple[Segment, int]:
        """The segment of a row, and its row there."""
        for segment in self.segments:
            if row < len(segment):
                return segment, row
            row -= len(segment)
        raise IndexError(row)

    def items(self, rows: Iterable[int]) -> list[Item]:
        """The items of some rows."""
        return [segment.items.take([own])[0] for segment, own in map(self.place, rows)]

    def rows_of(self, ids: Sequence[str]) -> dict[str, int]:
        """The rows of those ids that are there, by id."""
        keys = np.concatenate([segment.keys for segment in self.segments])
        wanted = set(ids)
        candidates = np.flatnonzero(np.isin(keys, id_keys(ids)) & ~self.gone)
        named = zip(self.items(candidates.tolist()), candidates.tolist(), strict=True)
        return {item.id: row for item, row in named if item.id in wanted}

    @property
    def parts(self) -> list[Part]:
        """The vectors of the segments."""
        return [segment.part for segment in self.segments]

    def allowed(self, labels: Sequence[int] = ()) -> Allowed | None:
        """The rows that are there, of some classes alone where any are given; None for all rows."""
        if self.removed is None and not labels:
            return None
        rows = ~self.gone
        if labels:
            rows &= np.isin(self.labels, labels)
        return Allowed(rows, tuple(labels), np.flatnonzero(self.gone))

    def spread(self, count: int) -> NDArray[np.float32]:
        """Stored vectors (m, w) of up to so many items, evenly over all that are there."""
        rows = np.flatnonzero(~self.gone)
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64))]
        return np.stack([segment.part.vectors[own] for segment, own in map(self.place, rows.tolist())])
