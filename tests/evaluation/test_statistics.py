from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from masln.errors import DataError
from masln.evaluation import (
    Interval,
    Wins,
    bootstrap_interval,
    count_wins,
    holm,
    order_agreement,
    paired_permutation_test,
    paired_t_test,
    student_interval,
)


def test_student_equals_scipy():
    values = np.random.default_rng(0).normal(0.3, 0.05, 7)
    interval = student_interval(values, level=0.9)
    expected = stats.t.interval(0.9, 6, loc=values.mean(), scale=stats.sem(values))
    assert (interval.low, interval.high) == pytest.approx(expected)
    assert interval.mean == values.mean()


def test_a_single_run_has_no_interval():
    interval = student_interval([0.4])
    assert interval.mean == 0.4 and np.isnan(interval.low) and np.isnan(interval.high)


def test_bootstrap_is_near_scipy_and_seeded():
    values = np.random.default_rng(0).beta(2, 5, 400)
    ours = bootstrap_interval(values, seed=1)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=2000, rng=0)
    assert (ours.low, ours.high) == pytest.approx(theirs.confidence_interval, abs=0.003)
    assert bootstrap_interval(values, seed=1) == ours != bootstrap_interval(values, seed=2)
    assert ours.low < ours.mean < ours.high
    wide = bootstrap_interval(values, level=0.99, seed=1)
    assert wide.low < ours.low and ours.high < wide.high


def test_bootstrap_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [bootstrap_interval(rng.exponential(1.0, 80), resamples=400) for _ in range(200)]
    covered = np.mean([i.low <= 1.0 <= i.high for i in intervals])
    assert 0.88 <= covered <= 0.99


def test_both_directions_of_a_query_are_drawn_together():
    there = np.random.default_rng(0).random(100)
    both = bootstrap_interval(np.stack([there, 1 - there], axis=1))
    # each query's directions average to one half: nothing is left to vary
    assert (both.low, both.high) == pytest.approx((0.5, 0.5))


def test_chunks_of_resamples_are_all_filled():
    values = np.random.default_rng(0).random(40_000)
    interval = bootstrap_interval(values, resamples=300)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values.std() / 200, rel=0.3)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=7))
@settings(max_examples=60, deadline=None)
def test_few_pairs_are_tested_exactly(differences):
    patterns = itertools.product([1, -1], repeat=len(differences))
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in patterns]
    expected = np.mean([total >= abs(sum(differences)) for total in sums])
    shift = np.full(len(differences), 0.3)
    assert paired_permutation_test(shift + 0.1 * np.array(differences), shift) == pytest.approx(expected)


def test_many_pairs_agree_with_scipy():
    rng = np.random.default_rng(0)
    baseline = rng.random(60)
    values = baseline + rng.normal(0.02, 0.08, 60)
    ours = paired_permutation_test(values, baseline, permutations=20_000, seed=3)
    theirs = stats.permutation_test(
        (values, baseline), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=20_000, rng=0
    )
    assert 0.001 < ours < 0.5
    assert ours == pytest.approx(theirs.pvalue, abs=0.015)
    assert ours == paired_permutation_test(values, baseline, permutations=20_000, seed=3)


def test_a_p_value_is_never_zero_nor_above_one():
    values = np.ones(200)
    assert paired_permutation_test(values, np.zeros(200), permutations=999) == 1 / 1000
    assert paired_permutation_test(values, values) == 1.0


def test_without_a_difference_p_values_are_spread_evenly():
    rng = np.random.default_rng(0)
    p = [paired_permutation_test(*rng.random((2, 30)), permutations=200, seed=i) for i in range(300)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_wins():
    assert count_wins([0.3, 0.4, 0.5, 0.2], [0.2, 0.4, 0.6, 0.1]) == Wins(2, 1, 1)


def test_the_t_test_is_that_of_scipy_on_the_pairs():
    ours, theirs = np.random.default_rng(0).normal(0.3, 0.05, (2, 7))
    assert paired_t_test(ours, theirs) == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)


def test_the_t_test_of_differences_without_spread():
    assert paired_t_test([0.5, 0.25, 0.75], [0.5, 0.25, 0.75]) == 1.0
    assert paired_t_test([0.75, 0.5, 1.0], [0.5, 0.25, 0.75]) == 0.0
    assert np.isnan(paired_t_test([0.5], [0.4]))


def test_the_agreement_of_two_orders_by_hand():
    ours, theirs = [0.1, 0.4, 0.2, 0.9, 0.3], [0.2, 0.5, 0.3, 0.4, 0.6]
    pairs = list(itertools.combinations(range(5), 2))
    alike = sum((ours[i] < ours[j]) == (theirs[i] < theirs[j]) for i, j in pairs)
    found = order_agreement(ours, theirs)
    assert found.tau == pytest.approx((2 * alike - len(pairs)) / len(pairs)) and found.count == 5
    patterns = [stats.kendalltau(ours, drawn).statistic for drawn in itertools.permutations(theirs)]
    assert found.p == pytest.approx(np.mean(np.abs(patterns) >= abs(found.tau) - 1e-12))


def test_two_figures_or_equal_ones_have_no_order():
    assert order_agreement([0.1, 0.2], [0.2, 0.1]) is None
    assert order_agreement([], []) is None
    assert order_agreement([0.1, 0.1, 0.1], [0.3, 0.2, 0.1]) is None


def test_holm_by_hand_and_in_any_order():
    # sorted .01 .02 .03 .04 times 4 3 2 1, then never falling
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm([0.02]).tolist() == [0.02]
    assert len(holm([])) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_the_step_down_rule_rejects(p):
    adjusted, order = holm(p), np.argsort(p, kind="stable")
    rejected = set()
    for step, i in enumerate(order):
        if p[i] * (len(p) - step) > 0.05:
            break
        rejected.add(i)
    assert rejected == set(np.flatnonzero(adjusted <= 0.05))


def test_an_interval_prints_short():
    assert str(Interval(0.41234, 0.4, 0.42)) == "0.412 [0.400, 0.420]"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: student_interval([]), "at least one figure"),
        (lambda: bootstrap_interval([0.1, np.nan]), "drop skipped queries"),
        (lambda: student_interval([0.1, 0.2], level=95), "between 0 and 1"),
        (lambda: bootstrap_interval([0.1, 0.2], level=0), "between 0 and 1"),
        (lambda: paired_permutation_test([0.1], [0.1, 0.2]), "one length"),
        (lambda: count_wins([0.1], [0.1, 0.2]), "run by run"),
        (lambda: paired_t_test([0.1, 0.2], [0.1]), r"two \(runs,\) arrays"),
        (lambda: holm([0.1, 1.2]), r"in \[0, 1\]"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(DataError, match=message):
        call()
