"""Remembered functions: the same results, worked out once where somebody remembers, and nothing kept beyond."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from masln.nn import canonical_directions, remembered, remembering


class Counted:
    """A function of tensors that counts its calls."""

    def __init__(self, last: int) -> None:
        self.calls = 0
        self.remembered = remembered(last)(self.work)

    def work(self, X, Y=None):
        self.calls += 1
        return X.sum() if Y is None else X @ Y


def test_equal_tensors_are_worked_on_once_and_others_anew():
    count = Counted(last=2)
    X = torch.arange(6.0, dtype=torch.float64).reshape(2, 3)
    with remembering():
        first = count.remembered(X)
        assert count.remembered(X.clone()) is first and count.calls == 1
        others = [X + 1e-15, X.float(), X.reshape(3, 2), X.T, X[:1], X[:0]]
        assert [float(count.remembered(other)) for other in others] == [float(other.sum()) for other in others]
        assert count.calls == 7
        count.remembered(X, X.T)
        assert count.calls == 8, "None and a tensor are told apart"


def test_only_the_last_results_are_kept_the_used_ones_longest():
    count = Counted(last=2)
    a, b, c = (torch.full((2,), float(value)) for value in range(3))
    with remembering():
        for tensor, calls in ((a, 1), (b, 2), (a, 2), (c, 3), (a, 3), (b, 4)):
            count.remembered(tensor)
            assert count.calls == calls


def test_two_functions_do_not_take_each_others_results():
    X = torch.ones(2)
    double, triple = remembered(last=1)(lambda X: 2 * X), remembered(last=1)(lambda X: 3 * X)
    with remembering():
        assert double(X).tolist() == [2, 2] and triple(X).tolist() == [3, 3] and double(X).tolist() == [2, 2]


def test_nothing_is_remembered_outside_and_all_is_forgotten_at_the_end():
    count = Counted(last=1)
    X = torch.ones(3)
    assert count.remembered(X) == count.remembered(X) == 3 and count.calls == 2
    with remembering():
        found = weakref.ref(count.remembered(X))
        assert found() is not None and count.calls == 3
    gc.collect()
    assert found() is None
    with pytest.raises(KeyError), remembering():
        count.remembered(X)
        raise KeyError
    count.remembered(X)
    assert count.calls == 5


@pytest.mark.parametrize("shape", [(60, 12, 9), (20, 30, 9), (1501, 1600, 4)])
@pytest.mark.parametrize("grouped", [False, True])
def test_canonical_directions_are_those_of_a_call_alone(shape, grouped):
    n, p, q = shape
    if grouped and n > 100:
        pytest.skip("groups go the way of few pairs")
    generator = torch.Generator().manual_seed(0)
    X, Y = (torch.randn(n, width, dtype=torch.float64, generator=generator) for width in (p, q))
    Y = Y + X[:, :q]
    X, Y = X - X.mean(0), Y - Y.mean(0)
    groups = torch.arange(n) % 7 if grouped else None
    alone = [canonical_directions(X, Y, ridge=ridge, n_components=3, groups=groups) for ridge in (1.0, 0.1)]
    with remembering():
        found = [canonical_directions(X, Y, ridge=ridge, n_components=3, groups=groups) for ridge in (1.0, 0.1)]
    for (directions, correlations), (expected, others) in zip(found, alone, strict=True):
        assert torch.equal(correlations, others)
        assert all(torch.equal(own, other) for own, other in zip(directions, expected, strict=True))
