"""The losses of DADN against loops over every pair, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from masln.losses import maximum_mean_discrepancy_loss, quadruplet_loss, real_or_generated_loss

BANDWIDTHS = (2.0, 5.0, 10.0)
sizes = st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 4), st.integers(0, 1000))


def draw(rows: int, width: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(rows, width)))


def squared(a: list[float], b: list[float]) -> float:
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def mean_kernel(left: Tensor, right: Tensor) -> float:
    values = [
        sum(math.exp(-squared(a, b) / (2 * s * s)) for s in BANDWIDTHS) for a in left.tolist() for b in right.tolist()
    ]
    return sum(values) / len(values)


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_the_discrepancy_is_that_of_the_mean_kernels(size):
    n, m, d, seed = size
    x, y = 3 * draw(n, d, seed), draw(m, d, seed + 1) + 1
    naive = mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)
    found = maximum_mean_discrepancy_loss(x, y, bandwidths=BANDWIDTHS)
    assert found.dtype == torch.float64
    assert float(found) ** 2 == pytest.approx(naive, rel=1e-6, abs=1e-12)


def test_the_same_sample_in_another_order_has_no_discrepancy_and_no_gradient():
    x = draw(6, 3, 0).requires_grad_()
    value = maximum_mean_discrepancy_loss(x, x.detach().flip(0), bandwidths=BANDWIDTHS)
    value.backward()
    assert float(value.detach()) == 0.0 and torch.equal(x.grad, torch.zeros_like(x))


def test_the_discrepancy_is_small_within_a_distribution_and_grows_with_a_shift_or_a_spread():
    x, y = draw(200, 3, 0), draw(200, 3, 1)
    values = [
        float(maximum_mean_discrepancy_loss(x, other, bandwidths=BANDWIDTHS)) for other in (y, y + 0.5, y + 1, 2 * y)
    ]
    assert values[0] < values[1] < values[2] and values[3] > 2 * values[0]


def naive_quadruplet(codes: Tensor, rest: tuple[Tensor, Tensor], c: Tensor, labels: list[int], pull: float) -> float:
    z, n = codes.tolist(), len(labels)
    total = pull * sum(map(squared, z, c.tolist())) / n
    for others in rest:
        for i, own in enumerate(labels):
            far = [squared(z[i], row) for row, label in zip(others.tolist(), labels, strict=True) if label != own]
            total -= sum(far) / len(far) / n if far else 0.0
    return max(0.0, total)


@settings(deadline=None, max_examples=60)
@given(sizes, st.floats(0, 30))
def test_a_quadruplet_is_a_code_its_class_and_a_code_of_another_class_in_each_modality(size, pull):
    n, classes, d, seed = size
    image, text, c = (draw(n, d, seed + k) for k in range(3))
    labels = torch.from_numpy(np.random.default_rng(seed).integers(0, classes, n))
    naive = naive_quadruplet(image, (image, text), c, labels.tolist(), pull)
    assert float(quadruplet_loss(image, image, text, c, labels, pull=pull)) == pytest.approx(naive, rel=1e-4, abs=1e-5)


def test_codes_that_are_far_enough_from_other_classes_cost_nothing():
    c = torch.eye(3)
    codes, labels = c + 0.01, torch.arange(3)
    assert float(quadruplet_loss(codes, codes, codes, c, labels, pull=20.0)) == 0.0
    assert float(quadruplet_loss(codes, codes, codes, c, labels, pull=2e5)) > 0.0
    assert float(quadruplet_loss(codes, codes, codes, c, torch.zeros(3), pull=20.0)) == pytest.approx(20 * 3e-4)


@settings(deadline=None, max_examples=30)
@given(sizes)
def test_real_or_generated_is_the_sum_of_the_cross_entropies(size):
    n, m, _, seed = size
    real, one, other = (3 * draw(k, 1, seed + i)[:, 0] for i, k in enumerate((n, m, m)))
    naive = -sum(math.log(1 / (1 + math.exp(-v))) for v in real.tolist()) / n
    for logits in (one, other):
        naive -= sum(math.log(1 - 1 / (1 + math.exp(-v))) for v in logits.tolist()) / m
    assert float(real_or_generated_loss(real, one, other)) == pytest.approx(naive, rel=1e-5)


LABELS = torch.tensor([0, 2, 0, 1, 1])


def test_gradients_are_those_of_finite_differences():
    x, y, c = (draw(5, 4, k).requires_grad_() for k in range(3))
    assert torch.autograd.gradcheck(lambda a, b: maximum_mean_discrepancy_loss(a, b, bandwidths=BANDWIDTHS), (x, y))
    assert torch.autograd.gradcheck(lambda a, b, e: quadruplet_loss(a, a, b, e, LABELS, pull=5.0), (x, y, c))
    # This one is in float32: a step of 1e-3 leaves three digits.
    coarse = {"eps": 1e-3, "atol": 5e-3, "rtol": 1e-2}
    assert torch.autograd.gradcheck(lambda a, b: real_or_generated_loss(a[:, 0], b[:, 0], b[:, 1]), (x, y), **coarse)


def test_equal_codes_have_finite_gradients():
    for value in (0.0, 1.0):
        x, y = (torch.full((5, 3), value, requires_grad=True) for _ in range(2))
        loss = maximum_mean_discrepancy_loss(x, y, bandwidths=BANDWIDTHS)
        (loss + quadruplet_loss(x, x, y, y, LABELS, pull=20.0)).backward()
        assert all(torch.isfinite(codes.grad).all() for codes in (x, y))


def test_half_precision_is_scored_in_full():
    x, y = draw(5, 3, 0).bfloat16(), draw(5, 3, 1).bfloat16()
    exact = maximum_mean_discrepancy_loss(x.double(), y.double(), bandwidths=BANDWIDTHS)
    assert float(maximum_mean_discrepancy_loss(x, y, bandwidths=BANDWIDTHS)) == float(exact)
    exact = quadruplet_loss(*(codes.double() for codes in (x, x, y, y)), LABELS, pull=20.0)
    assert float(quadruplet_loss(x, x, y, y, LABELS, pull=20.0)) == float(exact) > 0


def test_distances_are_those_of_codes_far_from_the_origin_too():
    image, text, c = (draw(5, 4, k) for k in range(3))
    near = quadruplet_loss(image, image, text, c, LABELS, pull=20.0)
    far = quadruplet_loss(*(codes + 1e3 for codes in (image, image, text, c)), LABELS, pull=20.0)
    torch.testing.assert_close(far, near, rtol=1e-6, atol=0)
