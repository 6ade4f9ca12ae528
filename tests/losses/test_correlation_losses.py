"""The losses of the correlation methods against closed forms, naive loops, cca-zoo and their own finite differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from masln.losses import (
    canonical_correlation_loss,
    canonical_correlations,
    correlation_loss,
    cross_correlation_loss,
    decorrelation_loss,
    inverse_deviations,
    reconstruction_loss,
    standardised,
)

sizes = st.tuples(st.integers(8, 30), st.integers(2, 6), st.integers(0, 1000))


def draw(n: int = 40, d: int = 5, *, seed: int = 0, shared: int = 2) -> tuple[Tensor, Tensor]:
    """Two sets of codes (n, d) that share some directions."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    latent = normal(n, shared)
    image, text = (latent @ normal(shared, d) + 0.7 * normal(n, d) + 2.0 for _ in range(2))
    return image, text


class TestCanonicalCorrelations:
    @settings(deadline=None, max_examples=25)
    @given(sizes, st.sampled_from([0.0, 1e-3, 0.3]))
    def test_are_those_of_the_inverse_square_roots_of_the_paper(self, size, ridge):
        n, d, seed = size
        image, text = draw(n, d, seed=seed)

        def inverse_root(covariance: np.ndarray) -> np.ndarray:
            values, vectors = np.linalg.eigh(covariance)
            return vectors @ np.diag(values**-0.5) @ vectors.T

        X, Y = ((codes - codes.mean(0)).numpy() for codes in (image, text))
        S11, S22 = (V.T @ V / n for V in (X, Y))
        S11, S22 = (S + ridge * np.trace(S) / d * np.eye(d) for S in (S11, S22))
        T = inverse_root(S11) @ (X.T @ Y / n) @ inverse_root(S22)
        found = canonical_correlations(image, text, ridge=ridge)
        np.testing.assert_allclose(found, np.linalg.svd(T, compute_uv=False), atol=1e-5)
        assert (found.diff() <= 0).all()
        assert float(canonical_correlation_loss(image, text, ridge=ridge)) == pytest.approx(-float(found.sum()))

    def test_are_those_of_scikit_learn(self):
        from sklearn.cross_decomposition import CCA

        image, text = draw(200, 3)
        u, v = CCA(n_components=3, max_iter=10_000, tol=1e-12).fit_transform(image.numpy(), text.numpy())
        expected = [np.corrcoef(u[:, i], v[:, i])[0, 1] for i in range(3)]
        np.testing.assert_allclose(canonical_correlations(image, text, ridge=0.0), expected, atol=1e-5)

    def test_cca_zoo_has_the_sum_of_their_squares(self):
        """cca-zoo's DCCA minimises the squared Frobenius norm where the paper has the trace norm."""
        from cca_zoo.deep.objectives import CCALoss

        image, text = (standardised(codes) * (39 / 40) ** 0.5 for codes in draw())  # its covariances divide by n - 1
        ours = canonical_correlations(image, text, ridge=0.05)
        theirs = CCALoss(reg_covar=0.05)([image, text])
        assert float(-ours.square().sum()) == pytest.approx(float(theirs), rel=1e-6)

    @pytest.mark.parametrize("scales", [(1e-6, 1e6), (1e6, 1e-6), (1e-12, 1.0)])
    def test_do_not_depend_on_the_scale(self, scales):
        image, text = draw()
        expected = canonical_correlations(image, text, ridge=1e-3)
        found = canonical_correlations(image * scales[0], text * scales[1], ridge=1e-3)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)

    @pytest.mark.parametrize("ridge", [0.0, 1e-4])
    @pytest.mark.parametrize("broken", ["duplicate", "dead", "dependent", "all dead"])
    def test_keep_the_correlation_and_a_finite_gradient_with_dependent_and_dead_dimensions(self, broken, ridge):
        image, text = draw()
        wider = {
            "duplicate": torch.cat([image, image], dim=1),
            "dead": torch.cat([image, torch.zeros_like(image)], dim=1),
            "dependent": torch.cat([image, image @ torch.ones(5, 5, dtype=torch.float64)], dim=1),
            "all dead": torch.full((40, 10), 0.3, dtype=torch.float64),
        }[broken].requires_grad_()
        other = torch.cat([text, torch.zeros_like(text)], dim=1).requires_grad_()
        found = canonical_correlations(wider, other, ridge=ridge)
        expected = canonical_correlations(image, text, ridge=ridge) if broken != "all dead" else torch.zeros(5)
        # Zero columns halve the mean variance, and with it the ridge; at ridge 0 nothing may move but by rounding.
        tolerance = 2e-3 if ridge else 1e-5
        torch.testing.assert_close(found[:5], expected.to(found), rtol=0, atol=tolerance)
        assert float(found.detach()[5:].abs().max()) < 1e-4
        gradients = torch.autograd.grad(-found.sum(), (wider, other))
        assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)

    def test_rounding_of_constant_codes_is_no_correlation(self):
        noise = torch.randn(50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        image, text = 3.0 + 1e-8 * noise, 5.0 - 1e-8 * noise  # below what float32 tells apart
        assert float(canonical_correlations(image, text, ridge=1e-3).max()) < 0.1
        assert float(canonical_correlations(1e-3 * image, 1e3 * text, ridge=1e-3).max()) < 0.1

    def test_of_codes_that_are_not_finite_are_nan_and_raise_nothing(self):
        image, text = draw()
        image[3, 1] = torch.inf
        assert bool(canonical_correlation_loss(image, text, ridge=1e-3).isnan())

    def test_bfloat16_codes_are_scored_in_float64(self):
        image, text = (codes.bfloat16() for codes in draw())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = canonical_correlations(image, text, ridge=1e-3)
        assert found.dtype == torch.float64
        torch.testing.assert_close(found, canonical_correlations(image.double(), text.double(), ridge=1e-3))


@settings(deadline=None, max_examples=25)
@given(sizes, st.floats(0.0, 1.0))
def test_cross_correlation_is_that_of_a_naive_loop(size, redundancy):
    n, d, seed = size
    image, text = draw(n, d, seed=seed)
    C = np.corrcoef(image.numpy().T, text.numpy().T)[:d, d:]
    naive = 0.0
    for i in range(d):
        for j in range(d):
            naive += (1 - C[i, i]) ** 2 if i == j else redundancy * C[i, j] ** 2
    assert float(cross_correlation_loss(image, text, redundancy=redundancy)) == pytest.approx(naive, rel=1e-9)


def test_cross_correlation_is_the_objective_of_cca_zoo():
    from cca_zoo import deep

    views = [codes.float() for codes in draw()]
    model = deep.BarlowTwins(n_components=5, encoders=[nn.Identity(), nn.Identity()], lam=0.02)
    theirs = model.loss({"views": views})["objective"]
    assert float(cross_correlation_loss(*views, redundancy=0.02)) == pytest.approx(float(theirs), rel=1e-4)


def test_cross_correlation_is_0_for_equal_uncorrelated_codes():
    codes = torch.linalg.qr(draw(40, 5)[0] - draw(40, 5)[0].mean(0))[0]
    assert float(cross_correlation_loss(3 * codes, 7 * codes, redundancy=1.0)) == pytest.approx(0.0, abs=1e-12)


def test_decorrelation_sums_what_is_off_the_diagonal():
    covariance = torch.tensor([[9.0, -2.0, 0.5], [-2.0, 7.0, 0.0], [0.5, 0.0, -3.0]])
    assert float(decorrelation_loss(covariance)) == 5.0


def test_soft_cca_losses_are_those_of_cca_zoo_on_one_batch():
    from cca_zoo import deep

    views = [codes.float() for codes in draw()]
    model = deep.DCCASDL(n_components=5, encoders=[nn.Identity(), nn.Identity()])
    theirs = model.loss({"views": views})
    image, text = (standardised(view) for view in views)
    assert float(correlation_loss(image, text)) == pytest.approx(5 * float(theirs["l2"]), rel=1e-4)  # its mean over 5
    ours = sum(float(decorrelation_loss(z.T @ z / 39)) / 20 for z in (image, text))
    assert ours == pytest.approx(float(theirs["sdl"]), rel=1e-4)


class TestStandardised:
    def test_mean_0_and_variance_1(self):
        codes = standardised(1e-7 * draw()[0].float())
        assert codes.dtype == torch.float64
        torch.testing.assert_close(codes.mean(0), torch.zeros(5, dtype=torch.float64), atol=1e-10, rtol=0)
        torch.testing.assert_close(codes.var(0, correction=0), torch.ones(5, dtype=torch.float64))

    @pytest.mark.parametrize("value", [0.0, 0.1, -1e6])
    def test_a_constant_dimension_becomes_0_with_a_finite_gradient(self, value):
        codes = draw()[0]
        codes[:, 2] = value * (1 + 1e-9 * torch.arange(40))
        codes.requires_grad_()
        made = standardised(codes)
        assert not made[:, 2].any() and not inverse_deviations(codes.detach())[2]
        (gradient,) = torch.autograd.grad(made.square().sum() + made[:, 2].sum(), codes)
        assert bool(torch.isfinite(gradient).all())


WEIGHTS = torch.randn(40, 5, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
IN_FLOAT64: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "canonical, ridge 0": lambda a, b: canonical_correlation_loss(a, b, ridge=0.0),
    "canonical, ridge .1": lambda a, b: canonical_correlation_loss(a, b, ridge=0.1),
    "cross-correlation": lambda a, b: cross_correlation_loss(a, b, redundancy=0.3),
    "decorrelation": lambda a, b: decorrelation_loss(standardised(a).T @ standardised(a)) + b.sum(),
    "standardised": lambda a, b: (WEIGHTS * standardised(a) * standardised(b)).sum(),
}


@pytest.mark.parametrize("name", IN_FLOAT64)
def test_gradients_in_float64(name):
    image, text = (codes.requires_grad_() for codes in draw())
    assert torch.autograd.gradcheck(IN_FLOAT64[name], (image, text))


@pytest.mark.parametrize("name", ["correlation", "reconstruction"])
def test_gradients_of_losses_in_float32(name):
    """They cast to float32, so the step is large and what is compared is a quadratic, for which that is exact."""
    losses = {"correlation": correlation_loss, "reconstruction": lambda a, b: reconstruction_loss(a[None], b)}
    image, text = (codes.round().requires_grad_() for codes in draw(6, 3))
    assert torch.autograd.gradcheck(losses[name], (image, text), eps=0.5, atol=1e-5)
