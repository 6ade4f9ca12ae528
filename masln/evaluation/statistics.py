"""Intervals and tests for retrieval figures: over queries within a run, over runs, and between methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from masln.errors import DataError

_EXACT_UP_TO: Final = 14  # ours: 2**14 sign patterns, about as many as the default number of random ones
_CHUNK_VALUES: Final = 2**22  # ours: 32 MB of float64 at a time


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval; ``low`` and ``high`` are NaN where one value gives none."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Wins:
    """On how many runs a method was above, level with, and below its baseline."""

    wins: int
    ties: int
    losses: int


@dataclass(frozen=True)
class Agreement:
    """How far two lists of figures put the same things in one order.

    Attributes:
        tau: Kendall's tau-b: share of the pairs in the same order less share in the contrary one, corrected for ties.
        p: Two-sided, of no association; exact where there are few and no ties.
        count: Of what was compared.
    """

    tau: float
    p: float
    count: int


def bootstrap_interval(values: ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0) -> Interval:
    """Percentile bootstrap interval of a mean over queries (Efron and Tibshirani 1993, ch. 13).

    Args:
        values: (m,) figures of the queries of one run; or (m, directions), where a query is drawn with all of
            its directions and the mean is over both axes.
        level: Coverage, in (0, 1).
        resamples: How many times the queries are drawn with replacement.
        seed: Of the draws.

    Raises:
        DataError: No value, a value that is not finite, or a level outside (0, 1).
    """
    per_query = _finite(values, "values").reshape(len(np.asarray(values)), -1).mean(axis=1)
    _check_level(level)
    count = len(per_query)
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, _CHUNK_VALUES // count)
    for start in range(0, resamples, step):
        drawn = rng.integers(0, count, (min(step, resamples - start), count))
        means[start : start + step] = per_query[drawn].mean(axis=1)
    low, high = np.quantile(means, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(float(per_query.mean()), float(low), float(high))


def student_interval(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """Student t interval of a mean over runs: mean +- t_{n-1} s / sqrt(n); NaN bounds for a single run.

    Args:
        values: (runs,) one figure for each class split and seed.
        level: Coverage, in (0, 1).

    Raises:
        DataError: No value, a value that is not finite, or a level outside (0, 1).
    """
    runs = _finite(values, "values")
    _check_level(level)
    mean = float(runs.mean())
    if len(runs) < 2:
        return Interval(mean, float("nan"), float("nan"))
    half = float(stats.t.ppf((1.0 + level) / 2.0, len(runs) - 1) * runs.std(ddof=1) / np.sqrt(len(runs)))
    return Interval(mean, mean - half, mean + half)


def _differences(values: ArrayLike, baseline: ArrayLike, axis: str) -> NDArray[np.float64]:
    ours, theirs = _finite(values, "values"), _finite(baseline, "baseline")
    if ours.shape != theirs.shape or ours.ndim != 1:
        raise DataError(f"a paired test needs two ({axis},) arrays of one length, not {ours.shape} and {theirs.shape}")
    return ours - theirs


def paired_permutation_test(
    values: ArrayLike, baseline: ArrayLike, *, permutations: int = 10_000, seed: int = 0
) -> float:
    """Two-sided p value of a difference in means between paired figures, by flipping the signs of the differences.

    With up to 14 differences that are not 0 all patterns are gone through; beyond, random ones are drawn and
    p = (b + 1) / (permutations + 1), which is never 0 (Phipson and Smyth 2010). Pairs that are equal add nothing
    to either side and are left out.

    Args:
        values: (m,) figures of a method.
        baseline: (m,) figures of the other on the same queries (or runs), in the same order.
        permutations: Number of random sign patterns.
        seed: Of the draws.

    Raises:
        DataError: Different shapes, no value, or a value that is not finite.
    """
    differences = _differences(values, baseline, "m")
    differences = differences[differences != 0.0]
    if len(differences) == 0:
        return 1.0
    # sums that differ by rounding alone count as equal
    observed = abs(differences.sum()) - 1e-12 * np.abs(differences).sum()
    if len(differences) <= _EXACT_UP_TO:
        patterns = (np.arange(2 ** len(differences))[:, None] >> np.arange(len(differences))) & 1
        return float((np.abs((1 - 2 * patterns) @ differences) >= observed).mean())
    rng = np.random.default_rng(seed)
    extreme = 0
    step = max(1, _CHUNK_VALUES // len(differences))
    for start in range(0, permutations, step):
        shape = (min(step, permutations - start), len(differences))
        signs = rng.integers(0, 2, shape, dtype=np.int8).astype(np.float64) * 2.0 - 1.0
        extreme += int((np.abs(signs @ differences) >= observed).sum())
    return (extreme + 1) / (permutations + 1)


def paired_t_test(values: ArrayLike, baseline: ArrayLike) -> float:
    """Two-sided p value of a difference in means between figures paired by run, by Student's t over the runs.

    Two differently seeded copies of one method differ on all queries of a run together, so a test over queries calls
    them different far too often (``benchmarks/planted_effects.py``); where runs are on random class splits, those are
    what is drawn independently.

    Args:
        values: (runs,) figures of a method, one a class split.
        baseline: (runs,) of the other on the same class splits, in the same order.

    Returns:
        The p value; NaN for a single run, 1 where no run differs, 0 where all differ by the very same amount.

    Raises:
        DataError: Different shapes, no value, or a value that is not finite.
    """
    differences = _differences(values, baseline, "runs")
    if len(differences) < 2:
        return float("nan")
    if np.ptp(differences) == 0.0:  # t is infinite, or 0 / 0
        return 0.0 if differences[0] else 1.0
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def count_wins(values: ArrayLike, baseline: ArrayLike) -> Wins:
    """Count the runs on which a method beats its baseline, run i against run i.

    Raises:
        DataError: Different shapes, no value, or a value that is not finite.
    """
    ours, theirs = _finite(values, "values"), _finite(baseline, "baseline")
    if ours.shape != theirs.shape:
        raise DataError(f"wins are counted run by run: {ours.shape} against {theirs.shape} figures")
    return Wins(int((ours > theirs).sum()), int((ours == theirs).sum()), int((ours < theirs).sum()))


def order_agreement(values: ArrayLike, others: ArrayLike) -> Agreement | None:
    """Kendall's tau-b of two lists of figures, such as ours and the published ones of the same methods.

    Args:
        values: (m,) figures.
        others: (m,) figures of the same things.

    Returns:
        The agreement; None where fewer than three are compared, or one list is constant: there is no order.

    Raises:
        DataError: Different shapes, or a value that is not finite.
    """
    if np.size(values) == 0 and np.size(others) == 0:
        return None
    ours, theirs = _finite(values, "values"), _finite(others, "others")
    if ours.shape != theirs.shape or ours.ndim != 1:
        raise DataError(f"two orders are compared figure by figure: {ours.shape} against {theirs.shape}")
    if len(ours) < 3 or np.ptp(ours) == 0.0 or np.ptp(theirs) == 0.0:
        return None
    found = stats.kendalltau(ours, theirs)
    return Agreement(float(found.statistic), float(found.pvalue), len(ours))


def holm(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust the p values of one table by Holm's step-down method (Holm 1979); same order, at most 1.

    Raises:
        DataError: A value lies outside [0, 1].
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0.0) & (p <= 1.0)).all():
        raise DataError("p values must be a list of numbers in [0, 1]")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _finite(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.size == 0 or not np.isfinite(array).all():
        raise DataError(
            f"{name}: at least one figure and only finite ones are needed; drop skipped queries (NaN) first"
        )
    return array


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise DataError(f"level {level} must lie between 0 and 1, such as 0.95")
