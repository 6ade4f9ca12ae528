"""The losses of feature synthesis and of what aligns codes beside it, against loops and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from masln.losses import (
    covariance_alignment_loss,
    gradient_penalty_loss,
    projection_matching_loss,
    random_interpolates,
    wasserstein_loss,
)
from tests.losses.test_supervised_losses import draw, norm, sizes

LABELS = torch.tensor([0, 2, 0, 1, 1])


def critic(d: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(d, 6), nn.Tanh(), nn.Linear(6, 1)).double()


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(-9, 9), min_size=1, max_size=5), st.lists(st.floats(-9, 9), min_size=1, max_size=5))
def test_a_critic_wants_real_features_to_score_above_synthetic_ones(real, synthetic):
    found = wasserstein_loss(torch.tensor(real), torch.tensor(synthetic))
    assert float(found) == pytest.approx(sum(synthetic) / len(synthetic) - sum(real) / len(real), abs=1e-5)


@pytest.mark.parametrize("n", [1, 5])
def test_the_penalty_is_the_mean_squared_difference_of_the_slope_from_one(n):
    """The slope by finite differences of the critic, one point and one dimension at a time."""
    judge, points, step = critic(), draw(n, 4, 2, 3)[0], 1e-5
    naive = 0.0
    for point in points:
        slope = []
        for j in range(4):
            shift = step * torch.eye(4, dtype=torch.float64)[j]
            with torch.no_grad():
                slope.append(float(judge(point + shift) - judge(point - shift)) / (2 * step))
        naive += (norm(slope) - 1) ** 2 / n
    assert float(gradient_penalty_loss(judge, points).detach()) == pytest.approx(naive, rel=1e-7)


def test_the_penalty_of_a_linear_critic_is_known_and_so_is_its_gradient():
    weight = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    points = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    penalty = gradient_penalty_loss(lambda x: x @ weight, points)
    (gradient,) = torch.autograd.grad(penalty, weight)
    assert float(penalty.detach()) == 16.0
    torch.testing.assert_close(gradient, 8 * weight.detach() / 5)
    assert not torch.autograd.grad(gradient_penalty_loss(lambda x: x @ weight, points), points, allow_unused=True)[0]


def test_the_gradient_of_the_penalty_is_that_of_finite_differences():
    judge, points = critic(), draw(5, 4, 2, 3)[0]
    names, weights = zip(*judge.named_parameters(), strict=True)

    def penalty(*values: torch.Tensor) -> torch.Tensor:
        own = dict(zip(names, values, strict=True))
        return gradient_penalty_loss(lambda x: torch.func.functional_call(judge, own, (x,)), points)

    assert torch.autograd.gradcheck(penalty, weights)


def test_a_flat_critic_is_penalised_without_a_nan():
    flat = nn.Linear(3, 1)
    nn.init.zeros_(flat.weight)
    penalty = gradient_penalty_loss(flat, torch.randn(4, 3))
    penalty.backward()
    assert float(penalty.detach()) == 1.0 and torch.isfinite(flat.weight.grad).all()


def test_interpolates_lie_between_the_two_rows_each_at_a_share_of_its_own():
    torch.manual_seed(0)
    real, synthetic, _ = draw(200, 3, 2, 0)
    points = random_interpolates(real, synthetic)
    shares = (points - synthetic) / (real - synthetic)
    torch.testing.assert_close(shares, shares[:, :1].expand_as(shares))
    assert 0 <= float(shares.min()) < 0.1 and 0.9 < float(shares.max()) < 1
    assert float(shares[:, 0].mean()) == pytest.approx(0.5, abs=0.1)


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_projection_matching_is_the_divergence_of_projections_from_the_shared_classes(size):
    image, text, labels = draw(*size)
    n, naive = len(labels), 0.0
    for own, other in ((image.tolist(), text.tolist()), (text.tolist(), image.tolist())):
        for i, a in enumerate(own):
            powers = [math.exp(sum(x * y for x, y in zip(a, b, strict=True)) / norm(b)) for b in other]
            alike = [float(labels[i] == labels[j]) for j in range(n)]
            for j in range(n):
                projected, matching = powers[j] / sum(powers), alike[j] / sum(alike)
                naive += projected * math.log(projected / (matching + 1e-8)) / n
    assert float(projection_matching_loss(image, text, labels)) == pytest.approx(naive, rel=1e-4, abs=1e-6)


def test_projections_that_match_the_classes_cost_nothing():
    codes = 100.0 * torch.eye(3)[torch.tensor([0, 0, 1, 2])]
    labels = torch.tensor([0, 0, 1, 2])
    assert float(projection_matching_loss(codes, codes, labels)) == pytest.approx(0.0, abs=1e-5)
    assert float(projection_matching_loss(codes, codes.flip(0), labels)) > 5


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_covariance_alignment_is_the_mean_squared_difference_of_the_covariances(size):
    n, d, classes, seed = size
    image, text, _ = draw(n + 1, d, classes, seed)
    difference = np.cov(image.numpy().T) - np.cov(text.numpy().T)
    assert float(covariance_alignment_loss(image, text)) == pytest.approx(float((difference**2).mean()), rel=1e-9)


def test_covariance_alignment_knows_no_shift_and_survives_one_pair():
    image, text, _ = draw(6, 3, 2, 0)
    torch.testing.assert_close(covariance_alignment_loss(image, text), covariance_alignment_loss(image + 5, text - 3))
    assert float(covariance_alignment_loss(image[:1], text[:1])) == 0.0


def test_gradients_of_the_alignments_are_those_of_finite_differences():
    """Projection matching is in float32, where a step of 1e-3 leaves three digits."""
    codes = [values.requires_grad_() for values in draw(5, 4, 3, 1)[:2]]
    assert torch.autograd.gradcheck(covariance_alignment_loss, codes)
    matching = lambda u, v: projection_matching_loss(u, v, LABELS)  # noqa: E731
    assert torch.autograd.gradcheck(matching, codes, eps=1e-3, atol=2e-3, rtol=1e-2)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_and_zero_codes_have_finite_gradients(value):
    for loss in (lambda u, v: projection_matching_loss(u, v, LABELS), covariance_alignment_loss):
        codes = [torch.full((5, 3), value, requires_grad=True) for _ in range(2)]
        loss(*codes).backward()
        assert all(torch.isfinite(c.grad).all() for c in codes)


def test_half_precision_codes_are_scored_as_in_single():
    image, text = (codes.bfloat16() for codes in draw(5, 3, 3, 2)[:2])
    expected = projection_matching_loss(image.float(), text.float(), LABELS)
    torch.testing.assert_close(projection_matching_loss(image, text, LABELS), expected)
    torch.testing.assert_close(
        covariance_alignment_loss(image, text), covariance_alignment_loss(image.float(), text.float())
    )
