"""Critical differences between the average ranks of several methods (Demšar 2006): Friedman's test, then Nemenyi's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from masln.errors import DataError

__all__ = ["CriticalDifference", "critical_difference", "nemenyi_quantile"]


@dataclass(frozen=True, eq=False)
class CriticalDifference:
    """Average ranks of methods, and how far two must lie apart to differ.

    Attributes:
        ranks: (k,) average rank of each method; 1 is best, equal figures share the mean of their ranks.
        difference: Two methods differ at the level when their average ranks lie further apart than this.
        blocks: n, the figures that each method was ranked on (class splits or datasets).
        level: Of significance, for all pairs together.
        friedman_p: p value of Friedman's chi-square in the F form of Iman and Davenport (1980), that all methods are
            equal; 1 where every figure ties.
        needed_blocks: The least n with which any two of k methods could differ at the level: with fewer, even the
            first and the last of every ranking lie closer than the critical difference.
    """

    ranks: NDArray[np.float64]
    difference: float
    blocks: int
    level: float
    friedman_p: float
    needed_blocks: int

    @property
    def enough(self) -> bool:
        """Whether there are blocks enough for any difference to be found."""
        return self.blocks >= self.needed_blocks

    def groups(self) -> list[list[int]]:
        """The largest sets of methods, by index and best first, all of whose ranks lie within the critical difference.

        Sets of one are left out; these are the bars of the diagram.
        """
        order = np.argsort(self.ranks, kind="stable")
        sorted_ranks = self.ranks[order]
        found: list[list[int]] = []
        last = 0
        for first in range(len(order)):
            end = int(np.searchsorted(sorted_ranks, sorted_ranks[first] + self.difference + 1e-12, side="right"))
            if end - first > 1 and end > last:
                found.append(order[first:end].tolist())
                last = end
        return found


def nemenyi_quantile(methods: int, *, level: float = 0.05) -> float:
    """Critical value of Nemenyi's test: the quantile of the Studentized range over sqrt 2 (Demšar 2006, Table 5a).

    Raises:
        DataError: fewer than two methods, or a level outside (0, 1).
    """
    if methods < 2 or not 0.0 < level < 1.0:
        raise DataError(f"a critical difference needs two methods and a level within (0, 1), not {methods} and {level}")
    return float(stats.studentized_range.ppf(1.0 - level, methods, np.inf) / np.sqrt(2.0))


def critical_difference(figures: ArrayLike, *, level: float = 0.05) -> CriticalDifference:
    """Rank methods within each block and compare their average ranks.

    CD = q sqrt(k (k + 1) / (6 n)); Friedman's chi-square = 12 n / (k (k + 1)) (sum R^2 - k (k + 1)^2 / 4), here
    corrected for ties, and F = (n - 1) chi-square / (n (k - 1) - chi-square) with k - 1 and (k - 1) (n - 1) degrees
    of freedom (Demšar 2006, section 3.2.2). The tests take the blocks for independent.

    Args:
        figures: (n, k) one row a block, one column a method; higher is better.
        level: Of significance.

    Raises:
        DataError: not (n, k) finite figures with n and k at least two, or a level outside (0, 1).
    """
    values = np.asarray(figures, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        raise DataError(
            f"ranks need finite figures of at least two methods on at least two class splits, not {values.shape}"
        )
    blocks, methods = values.shape
    ranks = stats.rankdata(-values, axis=1)
    quantile = nemenyi_quantile(methods, level=level)
    difference = quantile * np.sqrt(methods * (methods + 1) / (6.0 * blocks))
    average = ranks.mean(axis=0)
    # as scipy's friedmanchisquare, which refuses two methods; ties take their share off the denominator
    spread = float(((ranks - (methods + 1) / 2.0) ** 2).sum()) / (blocks * (methods - 1))
    chi_square = 0.0
    if spread > 0.0:
        chi_square = blocks * float(((average - (methods + 1) / 2.0) ** 2).sum()) / spread
    rest = blocks * (methods - 1) - chi_square
    if chi_square == 0.0:
        p = 1.0
    elif rest <= 1e-9 * chi_square:  # every block ranks the methods alike
        p = 0.0
    else:
        f = (blocks - 1) * chi_square / rest
        p = float(stats.f.sf(f, methods - 1, (methods - 1) * (blocks - 1)))
    needed = int(np.floor(quantile**2 * methods * (methods + 1) / (6.0 * (methods - 1) ** 2))) + 1
    return CriticalDifference(average, float(difference), blocks, level, p, max(2, needed))
