"""The losses of variational autoencoders against loops, closed forms and finite differences, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from masln.losses import absolute_reconstruction_loss, gaussian_distance_loss, gaussian_divergence_loss
from masln.nn import DiagonalGaussian

sizes = st.tuples(st.integers(1, 7), st.integers(1, 5), st.integers(0, 1000))


def draw(n: int, d: int, seed: int) -> tuple[DiagonalGaussian, DiagonalGaussian]:
    rng = np.random.default_rng(seed)
    means = (torch.from_numpy(rng.normal(scale=2, size=(n, d))) for _ in range(2))
    first, second = (DiagonalGaussian(mean, torch.from_numpy(rng.normal(size=(n, d)))) for mean in means)
    return first, second


def rows(gaussian: DiagonalGaussian) -> list[tuple[list[float], list[float]]]:
    """Means and variances of each row."""
    return list(zip(gaussian.mean.tolist(), gaussian.log_variance.exp().tolist(), strict=True))


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_divergence_is_the_closed_form_of_every_dimension(size):
    first, second = draw(*size)
    naive = standard = 0.0
    for (means, variances), (others, priors) in zip(rows(first), rows(second), strict=True):
        for m, s, n, t in zip(means, variances, others, priors, strict=True):
            naive += math.log(math.sqrt(t) / math.sqrt(s)) + (s + (m - n) ** 2) / (2 * t) - 0.5
            standard += 0.5 * (s + m * m - 1 - math.log(s))
    assert float(gaussian_divergence_loss(first, second)) == pytest.approx(naive / size[0], rel=1e-9)
    assert float(gaussian_divergence_loss(first)) == pytest.approx(standard / size[0], rel=1e-9)


def test_divergence_is_that_of_torch_and_has_no_symmetry():
    first, second = draw(6, 4, 1)
    normals = [Normal(g.mean, torch.exp(0.5 * g.log_variance)) for g in (first, second)]
    expected = kl_divergence(*normals).sum(dim=1).mean()
    torch.testing.assert_close(gaussian_divergence_loss(first, second), expected)
    assert float(gaussian_divergence_loss(second, first)) != pytest.approx(float(expected), rel=1e-3)


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_divergence_is_never_negative_and_0_from_itself(size):
    first, second = draw(*size)
    assert float(gaussian_divergence_loss(first, second)) > 0
    assert float(gaussian_divergence_loss(first, first)) == 0.0


@settings(deadline=None, max_examples=25)
@given(sizes)
def test_distance_is_the_2_wasserstein_distance_by_matrix_roots(size):
    first, second = draw(*size)
    naive = 0.0
    for (m, s), (n, t) in zip(rows(first), rows(second), strict=True):
        S, T = np.diag(s), np.diag(t)
        root = sqrtm(S)
        cross = sqrtm(root @ T @ root)
        squared = np.sum(np.subtract(m, n) ** 2) + np.trace(S + T - 2 * np.real(cross))
        naive += math.sqrt(squared)
    found = float(gaussian_distance_loss(first, second))
    assert found == pytest.approx(naive / size[0], rel=1e-6)
    assert float(gaussian_distance_loss(second, first)) == pytest.approx(found, rel=1e-12)


def test_distance_of_one_dimension_is_that_of_sorted_samples():
    """In one dimension the optimal transport keeps the order."""
    first = DiagonalGaussian(torch.tensor([[1.0]]).double(), torch.tensor([[math.log(4.0)]]).double())
    second = DiagonalGaussian(torch.tensor([[-1.0]]).double(), torch.tensor([[math.log(0.25)]]).double())
    quantiles = torch.linspace(1e-6, 1 - 1e-6, 200_001, dtype=torch.float64)
    values = [Normal(g.mean[0, 0], torch.exp(0.5 * g.log_variance[0, 0])).icdf(quantiles) for g in (first, second)]
    expected = (values[0] - values[1]).square().mean().sqrt()
    torch.testing.assert_close(gaussian_distance_loss(first, second), expected, rtol=1e-3, atol=0)


def test_equal_gaussians_have_a_distance_of_0_and_a_gradient_of_0():
    gaussian, _ = draw(4, 3, 0)
    moved = DiagonalGaussian(*(values.clone().requires_grad_() for values in gaussian))
    loss = gaussian_distance_loss(moved, gaussian)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert not moved.mean.grad.any() and not moved.log_variance.grad.any()


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_absolute_reconstruction_sums_over_dimensions_and_averages_over_pairs(size):
    decoded, features = (g.mean for g in draw(*size))
    naive = sum(
        abs(x - y)
        for left, right in zip(decoded.tolist(), features.tolist(), strict=True)
        for x, y in zip(left, right, strict=True)
    )
    assert float(absolute_reconstruction_loss(decoded, features)) == pytest.approx(naive / size[0], rel=1e-9)


def divergence(*values: Tensor) -> Tensor:
    return gaussian_divergence_loss(DiagonalGaussian(*values[:2]), DiagonalGaussian(*values[2:]))


def distance(*values: Tensor) -> Tensor:
    return gaussian_distance_loss(DiagonalGaussian(*values[:2]), DiagonalGaussian(*values[2:]))


LOSSES = {
    "divergence": divergence,
    "from the standard normal": lambda *values: gaussian_divergence_loss(DiagonalGaussian(*values[:2])),
    "distance": distance,
    "absolute reconstruction": lambda *values: absolute_reconstruction_loss(values[0], values[1]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(name):
    first, second = draw(4, 3, 5)
    values = [v.clone().requires_grad_() for v in (*first, *second)]
    used = values if name in ("divergence", "distance") else values[:2]
    assert torch.autograd.gradcheck(LOSSES[name], used)


def test_mixed_precision_is_summed_in_float32():
    decoded = torch.full((2, 3000), 1.0).bfloat16()
    loss = absolute_reconstruction_loss(decoded, torch.zeros(2, 3000))
    assert loss.dtype == torch.float32 and float(loss) == 3000.0
