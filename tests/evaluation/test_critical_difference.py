"""Critical differences against the worked example and the table of Demšar (2006), and scipy's Friedman test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from masln.errors import DataError
from masln.evaluation import critical_difference, nemenyi_quantile

# Table 6: AUC of C4.5, with m, with cf, with both tuned, on 14 datasets; the ranks in print part two that are both .975
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("level", "table"),
    [
        (0.05, [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]),
        (0.10, [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]),
    ],
)
def test_quantiles_are_those_of_the_table(level, table):
    found = [nemenyi_quantile(k, level=level) for k in range(2, 11)]
    assert found == pytest.approx(table, abs=1e-3)


def test_the_worked_example():
    result = critical_difference(DEMSAR)
    assert result.ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert result.difference == pytest.approx(1.25, abs=5e-3)
    assert critical_difference(DEMSAR, level=0.1).difference == pytest.approx(1.12, abs=5e-3)
    # at .1 both that tune m beat plain C4.5, as the paper says
    assert critical_difference(DEMSAR, level=0.1).groups() == [[3, 1, 2], [2, 0]]
    assert result.groups() == [[3, 1, 2, 0]]
    assert result.blocks == 14 and result.enough


def test_friedman_is_that_of_scipy_ties_included():
    chi_square = stats.friedmanchisquare(*DEMSAR.T).statistic
    assert chi_square >= 9.28, "the paper leaves ties uncorrected"
    n, k = DEMSAR.shape
    f = (n - 1) * chi_square / (n * (k - 1) - chi_square)
    assert critical_difference(DEMSAR).friedman_p == pytest.approx(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))


def test_untied_f_statistic_by_the_formula_of_the_paper():
    figures = np.random.default_rng(0).normal(size=(9, 5)) + np.arange(5) * 0.3
    n, k = figures.shape
    order = (-figures).argsort(axis=1).argsort(axis=1) + 1
    average = order.mean(axis=0)
    chi_square = 12 * n / (k * (k + 1)) * ((average**2).sum() - k * (k + 1) ** 2 / 4)
    f = (n - 1) * chi_square / (n * (k - 1) - chi_square)
    result = critical_difference(figures)
    assert result.ranks == pytest.approx(average)
    assert result.friedman_p == pytest.approx(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))


def test_with_fewer_blocks_than_needed_nothing_can_differ():
    """Every block ranks the methods alike: the strongest evidence there can be."""
    needed = critical_difference(np.zeros((2, 6))).needed_blocks
    alike = np.tile(np.arange(6.0), (needed, 1))
    enough, few = critical_difference(alike), critical_difference(alike[:-1])
    assert enough.enough and not any({0, 5} <= set(group) for group in enough.groups())
    assert not few.enough and few.groups() == [[5, 4, 3, 2, 1, 0]]
    assert enough.friedman_p == 0.0


def test_all_equal_is_no_difference():
    result = critical_difference(np.ones((5, 3)))
    assert result.ranks.tolist() == [2.0, 2.0, 2.0] and result.friedman_p == 1.0 and result.groups() == [[0, 1, 2]]


def test_groups_against_a_naive_search():
    rng = np.random.default_rng(3)
    for _ in range(30):
        figures = rng.normal(size=(rng.integers(2, 40), rng.integers(2, 9))) + np.linspace(0, rng.uniform(0, 3), 1)
        figures = figures + rng.uniform(0, 2) * np.arange(figures.shape[1])
        result = critical_difference(figures)
        near = np.abs(result.ranks[:, None] - result.ranks) <= result.difference + 1e-12
        cliques = {
            frozenset(np.flatnonzero(near[i] & (result.ranks >= result.ranks[i])).tolist()) for i in range(len(near))
        }
        largest = {c for c in cliques if len(c) > 1 and not any(c < other for other in cliques)}
        assert {frozenset(group) for group in result.groups()} == largest


@pytest.mark.parametrize("figures", [[1.0, 2.0], [[1.0, 2.0]], [[1.0], [2.0]], [[1.0, np.nan], [1.0, 2.0]]])
def test_what_has_no_ranks_is_refused(figures):
    with pytest.raises(DataError, match="at least two methods on at least two class splits"):
        critical_difference(figures)


def test_levels_and_methods_are_checked():
    with pytest.raises(DataError, match="within"):
        critical_difference(DEMSAR, level=5.0)
    with pytest.raises(DataError, match="two methods"):
        nemenyi_quantile(1)
