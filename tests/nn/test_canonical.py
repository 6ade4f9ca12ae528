from __future__ import annotations

import pytest
import torch
from torch import nn

from masln.nn import CanonicalEncoder, canonical_coefficients, canonical_directions


def views(n: int = 60, p: int = 12, q: int = 9, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    noise = torch.randn(n, p + q, generator=generator, dtype=torch.float64)
    mixing = torch.randn(4, p + q, generator=generator, dtype=torch.float64)
    both = shared @ mixing + 0.5 * noise + 3.0
    return both[:, :p], both[:, p:]


def encoder_of(width: int, scale: float, learned: nn.Module | None = None) -> tuple[CanonicalEncoder, torch.Tensor]:
    X, Y = views()
    (directions, _), _ = canonical_directions(X - X.mean(0), Y - Y.mean(0), ridge=0.1, n_components=width)
    encoder = CanonicalEncoder(learned or nn.Linear(12, 5), 12, width)
    encoder.set_directions(X, directions, scale)
    return encoder, X


def test_the_code_is_the_canonical_block_then_the_learned_code():
    learned = nn.Linear(12, 5)
    encoder, X = encoder_of(8, 0.3, learned)
    codes = encoder(X.float()).detach()
    assert codes.shape == (60, 13)
    torch.testing.assert_close(codes[:, 8:], learned(X.float()))
    (directions, _), _ = canonical_directions(X - X.mean(0), views()[1] - views()[1].mean(0), ridge=0.1, n_components=8)
    expected = (X - X.mean(0)) @ directions
    expected = 0.3 * expected / expected.std(dim=0, correction=0) / 8**0.5
    torch.testing.assert_close(codes[:, :8].double(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scale", [0.3, 2.0])
@pytest.mark.parametrize("width", [3, 9, 40])
def test_the_mean_square_norm_of_the_block_is_the_scale_squared_at_every_width(width, scale):
    encoder, X = encoder_of(width, scale)
    block = encoder(X.float()).detach()[:, :width]
    assert float(block.square().sum(dim=1).mean()) == pytest.approx(scale**2, rel=1e-4)
    torch.testing.assert_close(block.mean(dim=0), torch.zeros(width), atol=1e-5, rtol=0)


def test_directions_repeat_where_the_data_have_fewer_than_asked_for():
    encoder, X = encoder_of(20, 1.0)
    block = encoder(X.float()).detach()[:, :20]
    assert torch.linalg.matrix_rank(block) == 9  # of the 9 text features
    torch.testing.assert_close(block[:, 9:18], block[:, :9])
    torch.testing.assert_close(block[:, 18:], block[:, :2])


def test_constant_features_and_a_single_pair_give_a_block_of_zeros():
    for X in (torch.full((7, 12), 2.5, dtype=torch.float64), torch.ones(1, 12, dtype=torch.float64)):
        (directions, _), _ = canonical_directions(X - X.mean(0), X - X.mean(0), ridge=1.0, n_components=6)
        encoder = CanonicalEncoder(nn.Linear(12, 5), 12, 6)
        encoder.set_directions(X, directions, 1.0)
        assert not encoder(X.float())[:, :6].any()


def test_a_direction_without_variance_becomes_zero_and_the_others_stay():
    X, Y = views()
    (directions, _), _ = canonical_directions(X - X.mean(0), Y - Y.mean(0), ridge=0.1, n_components=3)
    encoder = CanonicalEncoder(nn.Linear(12, 5), 12, 3)
    encoder.set_directions(X, directions * torch.tensor([1.0, 0.0, 1.0]), 1.0)
    deviations = encoder(X.float())[:, :3].std(dim=0, correction=0)
    torch.testing.assert_close(deviations, torch.tensor([1.0, 0.0, 1.0]) / 3**0.5, rtol=1e-4, atol=1e-6)


def test_the_block_is_fixed_and_saved_with_the_network():
    encoder, X = encoder_of(6, 1.0)
    assert {name for name, _ in encoder.named_parameters()} == {"learned.weight", "learned.bias"}
    other = CanonicalEncoder(nn.Linear(12, 5), 12, 6)
    other.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(other(X.float()), encoder(X.float()), rtol=0, atol=0)


@pytest.mark.parametrize(("n", "p", "q"), [(60, 12, 9), (30, 80, 50), (1030, 1100, 1040)])
def test_coefficients_give_the_directions(n, p, q):
    """By the Cholesky factor of the products; the last sizes take Lanczos iterations in place of all eigenvectors."""
    X, Y = (V - V.mean(0) for V in views(n, p, q))
    variances = [float(V.square().sum()) / n for V in (X, Y)]
    (left, right), expected = canonical_directions(X, Y, ridge=0.5, n_components=7)
    (coefficients, weights), correlations = canonical_coefficients(
        X @ X.T, Y, ridges=(0.5 * variances[0] / p, 0.5 * variances[1] / q), n_components=7
    )
    torch.testing.assert_close(correlations, expected, rtol=1e-8, atol=1e-10)
    found = X @ X.T @ coefficients
    signs = (found * (X @ left)).sum(0).sign()
    torch.testing.assert_close(found * signs, X @ left, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(Y @ weights * signs, Y @ right, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("p", "q", "ridge"), [(1600, 7, 1e-6), (7, 1600, (1.0, 0.01))])
def test_many_pairs_with_more_features_have_the_directions_of_the_eigenvectors(p, q, ridge):
    """Through the Cholesky factor of the products; with each pair a group of its own the eigenvectors are taken."""
    n = 1510
    X, Y = (V - V.mean(0) for V in views(n, p, q))
    (left, right), correlations = canonical_directions(X, Y, ridge=ridge, n_components=5)
    (first, second), expected = canonical_directions(X, Y, ridge=ridge, n_components=5, groups=torch.arange(n))
    torch.testing.assert_close(correlations, expected, rtol=1e-6, atol=1e-7)
    for V, found, wanted in ((X, left, first), (Y, right, second)):
        cosines = torch.nn.functional.cosine_similarity(V @ found, V @ wanted, dim=0)
        torch.testing.assert_close(cosines, torch.ones(5, dtype=torch.float64), rtol=0, atol=1e-6)
        torch.testing.assert_close((V @ found).norm(dim=0), (V @ wanted).norm(dim=0), rtol=1e-5, atol=0)
    assert (left.gather(0, left.abs().argmax(dim=0, keepdim=True)) > 0).all()


def test_views_that_correlate_perfectly_in_every_direction_are_solved_all_the_same():
    """Eigenvalues all alike, which Lanczos iterations cannot tell apart."""
    n = 1030
    X, Y = (V - V.mean(0) for V in views(n, 1200, 1100))
    _, expected = canonical_directions(X, Y, ridge=1e-7, n_components=5)
    ridges = tuple(1e-7 * float(V.square().sum()) / n / V.shape[1] for V in (X, Y))
    (coefficients, weights), correlations = canonical_coefficients(X @ X.T, Y, ridges=ridges, n_components=5)
    assert float(expected.min()) > 0.999
    torch.testing.assert_close(correlations, expected, rtol=1e-5, atol=0)
    left, right = X @ X.T @ coefficients, Y @ weights
    torch.testing.assert_close(left.T @ right / n, correlations.diag(), rtol=1e-4, atol=1e-4)


def test_coefficients_of_views_that_share_nothing_are_finite():
    X, Y = (V - V.mean(0) for V in views())
    for K, Z in ((torch.zeros(60, 60, dtype=torch.float64), Y), (X @ X.T, torch.zeros_like(Y))):
        (coefficients, weights), correlations = canonical_coefficients(K, Z, ridges=(0.0, 0.0), n_components=5)
        assert coefficients.isfinite().all() and weights.isfinite().all() and len(correlations) == 1
        assert float(correlations[0]) == 0
