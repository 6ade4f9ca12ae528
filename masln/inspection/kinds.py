"""What pairs of near-duplicates come to: counts across the split and within a bundle, and the strongest examples."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Match", "NearDuplicates", "NearPairs", "kinds_of"]


class NearPairs(NamedTuple):
    """Some pairs of kinds that are near each other, the smaller number first: three arrays of one length."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    distance: NDArray[np.float64]


class Match(NamedTuple):
    """A test row, the training row nearest to it, and their distance."""

    test: int
    train: int
    distance: float


def kinds_of(values: Iterable[Hashable | None]) -> NDArray[np.intp]:
    """A number for each kind of equal values, 0, 1, ... as they first appear; -1 for None, which is no kind."""
    seen: dict[Hashable, int] = {}
    return np.array([-1 if value is None else seen.setdefault(value, len(seen)) for value in values], dtype=np.intp)


class NearDuplicates:
    """Gathers pairs of near kinds; holds a few numbers a kind however many the pairs are.

    Args:
        kinds: (n,) kind of each row, -1 for a row that is not compared.
        in_test: (n,) whether a row is a test row.
    """

    def __init__(self, kinds: NDArray[np.intp], in_test: NDArray[np.bool_]) -> None:
        self._kinds, self._in_test = kinds, in_test
        self._train_row, self._test_row = _a_row_of_each(kinds, ~in_test), _a_row_of_each(kinds, in_test)
        self._near_earlier = np.zeros(len(self._train_row), dtype=bool)
        self._partner = np.arange(len(self._train_row))
        self._distance = np.where(self._train_row >= 0, 0.0, np.inf)  # to the nearest kind that training has

    def add(self, pairs: NearPairs) -> None:
        """Take some more pairs of near kinds."""
        self._near_earlier[pairs.second] = True
        for own, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
            nearer = (self._test_row[own] >= 0) & (self._train_row[other] >= 0)
            nearer &= pairs.distance < self._distance[own]
            chosen = np.flatnonzero(nearer)
            chosen = chosen[np.argsort(-pairs.distance[chosen], kind="stable")]  # the nearest is written last
            self._distance[own[chosen]] = pairs.distance[chosen]
            self._partner[own[chosen]] = other[chosen]

    @property
    def later_copies(self) -> int:
        """Rows that are of one kind with an earlier row, or of a kind near an earlier one."""
        compared = int((self._kinds >= 0).sum())
        return compared - len(self._near_earlier) + int(self._near_earlier.sum())

    @property
    def compared(self) -> int:
        """Test rows that are of some kind."""
        return int((self._in_test & (self._kinds >= 0)).sum())

    def test_rows(self, *, same: bool = False) -> NDArray[np.intp]:
        """Test rows whose kind, or with ``same=False`` a kind near it, training has too."""
        rows = np.flatnonzero(self._in_test & (self._kinds >= 0))
        found = self._train_row >= 0 if same else np.isfinite(self._distance)
        return rows[found[self._kinds[rows]]]

    def strongest(self, count: int) -> Iterator[Match]:
        """The nearest matches across the split, one of each kind of test row."""
        kinds = np.flatnonzero((self._test_row >= 0) & np.isfinite(self._distance))
        for kind in kinds[np.argsort(self._distance[kinds], kind="stable")][:count]:
            train = self._train_row[self._partner[kind]]
            yield Match(int(self._test_row[kind]), int(train), float(self._distance[kind]))


def _a_row_of_each(kinds: NDArray[np.intp], among: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The first of some rows of each kind, -1 where there is none."""
    first = np.full(kinds.max(initial=-1) + 1, -1, dtype=np.intp)
    rows = np.flatnonzero(among & (kinds >= 0))[::-1]
    first[kinds[rows]] = rows
    return first
