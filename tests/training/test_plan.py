from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from masln.errors import ConfigError
from masln.training import SCHEDULES
from tests.training.toy import changed


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schedule": "cosin"}, r"unknown learning-rate schedule 'cosin' \(did you mean 'cosine'\?\)"),
        ({"epochs": 0}, "epochs must be positive, got 0"),
        ({"batch_size": -1}, "batch_size must be positive"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive"),
        ({"weight_decay": -1e-3}, "weight_decay must not be negative"),
        ({"clip_norm": -1.0}, "clip_norm must not be negative"),
        ({"patience": -1}, "patience must not be negative"),
        ({"stop_epoch": -1}, "stop_epoch must not be negative"),
        ({"seed": -1}, "seed must not be negative"),
        ({"warmup": 1.0}, r"must lie in \[0, 1\)"),
        ({"beta1": 1.0}, r"must lie in \[0, 1\)"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        changed(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": "many"},
        {"learning_rate": "1e-3"},
        {"batch_size": 2.5},
        {"epochs": 2.5},
        {"clip_norm": None},
        {"seed": 1.5},
    ],
)
def test_values_of_the_wrong_type_are_refused_in_one_line(values):
    (name,) = values
    with pytest.raises(ConfigError, match=name):
        changed(**values)


def test_schedules_end_where_they_should():
    rates = {name: changed(schedule=name, learning_rate=0.2) for name in SCHEDULES}
    for plan in rates.values():
        assert plan.learning_rate_at(0.0) == 0.2
    assert rates["constant"].learning_rate_at(1.0) == 0.2
    assert rates["linear"].learning_rate_at(1.0) == 0.0
    assert rates["cosine"].learning_rate_at(1.0) == pytest.approx(0.0, abs=1e-15)
    assert rates["linear"].learning_rate_at(0.25) == pytest.approx(0.15)
    assert rates["cosine"].learning_rate_at(0.25) == pytest.approx(0.1 * (1 + math.sqrt(0.5)))
    assert rates["cosine"].learning_rate_at(0.5) == pytest.approx(0.1)


def test_warmup_rises_in_a_line_to_the_highest_rate():
    for name in SCHEDULES:
        plan = changed(schedule=name, warmup=0.2, learning_rate=1.0)
        assert [plan.learning_rate_at(p) for p in (0.0, 0.05, 0.1, 0.2)] == pytest.approx([0.0, 0.25, 0.5, 1.0])
    assert changed(schedule="linear", warmup=0.2, learning_rate=1.0).learning_rate_at(0.6) == pytest.approx(0.5)


@given(n=st.integers(1, 50), epoch=st.integers(0, 200), seed=st.integers(0, 50))
def test_the_order_is_a_permutation_that_depends_on_seed_and_epoch_alone(n, epoch, seed):
    torch.manual_seed(epoch)
    first = changed(seed=seed).order(n, epoch)
    torch.manual_seed(epoch + 1)
    again = changed(seed=seed, learning_rate=1.0, epochs=99).order(n, epoch)
    assert torch.equal(first, again)
    assert sorted(first.tolist()) == list(range(n))


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {tuple(changed(seed=seed).order(40, epoch).tolist()) for seed in range(4) for epoch in range(10)}
    assert len(orders) == 40


def test_stop_epoch_ends_the_same_schedule_early():
    assert changed(epochs=10).last_epoch == 10
    assert changed(epochs=10, stop_epoch=4).last_epoch == 4
    assert changed(epochs=10, stop_epoch=40).last_epoch == 10


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 25), st.integers(0, 3))
def test_batches_hold_every_pair_once_and_a_small_last_one_joins_the_one_before(n, size, smallest, epoch):
    plan = changed(batch_size=size)
    batches = plan.batches(n, epoch, smallest=smallest)
    assert torch.equal(torch.cat(batches), plan.order(n, epoch))
    assert all(len(batch) == size for batch in batches[:-1])
    rest = n % size or size
    joined = rest < smallest and n > size
    assert len(batches[-1]) == (min(n, size + rest) if joined else min(n, rest))
