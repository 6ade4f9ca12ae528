from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from cca_zoo.linear import RidgeCCA
from sklearn import cross_decomposition

from masln.data import PairedDataset
from masln.errors import ConfigError
from masln.models import CCA
from masln.nn import canonical_directions
from tests.conftest import make_pairs

RIDGES = [0.01, 1.0, 30.0]


def views(pairs: PairedDataset) -> list[np.ndarray]:
    return [pairs.image.astype(np.float64), pairs.text.astype(np.float64)]


def plain(**values: object) -> CCA:
    return CCA(**{"input_scaling": "none", "n_components": 5} | values)


def zoo_shrinkage(X: np.ndarray, ridge: float) -> float:
    """cca-zoo blends (1 - c) S + c I with S over n - 1; ours adds ridge * trace(S) / p to S over n."""
    n, p = X.shape
    covariance = np.cov(X, rowvar=False, bias=True)
    t = ridge * np.trace(covariance) / p * n / (n - 1)
    return t / (1 + t)


def assert_equal_up_to_sign_and_scale(ours: np.ndarray, theirs: np.ndarray, rtol: float = 1e-5) -> None:
    assert ours.shape == theirs.shape
    for mine, other in zip(ours.T, theirs.T, strict=True):
        mine, other = (v / np.linalg.norm(v) for v in (mine, other))
        assert abs(mine @ other) == pytest.approx(1, abs=rtol)


@pytest.mark.parametrize("ridge", RIDGES)
@pytest.mark.parametrize("shape", [{"d_image": 24, "d_text": 16}, {"d_image": 200, "d_text": 16}, {"d_text": 150}])
def test_codes_equal_those_of_cca_zoo(ridge, shape):
    pairs = make_pairs(classes=4, per_class=25, **shape)
    X, Y = views(pairs)
    theirs = RidgeCCA(5, shrinkage=[zoo_shrinkage(X, ridge), zoo_shrinkage(Y, ridge)]).fit([X, Y]).transform([X, Y])
    ours = plain(ridge=ridge).fit(pairs)
    for code, other in zip((ours.encode_image(pairs.image), ours.encode_text(pairs.text)), theirs, strict=True):
        assert_equal_up_to_sign_and_scale(code, np.asarray(other))


def test_correlations_equal_those_of_scikit_learn():
    pairs = make_pairs(classes=4, per_class=60, d_image=6, d_text=5)
    X, Y = views(pairs)
    theirs = cross_decomposition.CCA(3, scale=False, max_iter=5000, tol=1e-12).fit(X, Y)
    left, right = theirs.transform(X, Y)
    expected = [np.corrcoef(left[:, i], right[:, i])[0, 1] for i in range(3)]
    ours = plain(ridge=0.0, n_components=3).fit(pairs)
    np.testing.assert_allclose(ours.correlations_.numpy(), expected, rtol=1e-6)
    image, text = ours.encode_image(pairs.image), ours.encode_text(pairs.text)
    found = [np.corrcoef(image[:, i], text[:, i])[0, 1] for i in range(3)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_solution_meets_the_constraints_and_the_stationarity_of_its_objective():
    pairs, ridge = make_pairs(), 0.3
    X, Y = (V - V.mean(0) for V in views(pairs))
    (W, V), correlations = canonical_directions(torch.from_numpy(X), torch.from_numpy(Y), ridge=ridge, n_components=4)
    W, V, n = W.numpy(), V.numpy(), len(X)
    left, right = (A.T @ A / n + ridge * np.trace(A.T @ A / n) / A.shape[1] * np.eye(A.shape[1]) for A in (X, Y))
    np.testing.assert_allclose(W.T @ left @ W, np.eye(4), atol=1e-8)
    np.testing.assert_allclose(V.T @ right @ V, np.eye(4), atol=1e-8)
    np.testing.assert_allclose(X.T @ Y / n @ V, left @ W * correlations.numpy(), atol=1e-7)
    np.testing.assert_allclose(W.T @ X.T @ Y @ V / n, np.diag(correlations.numpy()), atol=1e-8)
    assert (np.diff(correlations.numpy()) <= 0).all()


@pytest.mark.parametrize("ridge", RIDGES)
@pytest.mark.parametrize("times", [2, 10])
def test_primal_equals_dual(ridge, times):
    """Columns of zeros beside both views take them over to the dual route, and divide the mean variance."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 20)), rng.normal(size=(30, 16))
    Y += X[:, :16]
    X, Y = (torch.from_numpy(A - A.mean(0)) for A in (X, Y))
    (left, right), primal = canonical_directions(X, Y, ridge=ridge, n_components=6)
    wide_x, wide_y = (torch.cat([A, *[torch.zeros_like(A)] * (times - 1)], dim=1) for A in (X, Y))
    assert wide_x.shape[1] >= 30 and wide_y.shape[1] >= 30
    (wide_left, wide_right), dual = canonical_directions(wide_x, wide_y, ridge=ridge * times, n_components=6)
    np.testing.assert_allclose(primal, dual, rtol=1e-9)
    np.testing.assert_allclose(wide_left[:20], left, atol=1e-8)
    np.testing.assert_allclose(wide_right[:16], right, atol=1e-8)
    np.testing.assert_allclose(wide_left[20:], 0, atol=1e-12)


def test_a_feature_given_twice_is_one_feature_of_double_variance_by_either_route():
    """40 pairs: 24 features take the primal route, the same features twice (48) the dual one."""
    pairs = make_pairs(classes=4, per_class=10)
    heavier = dataclasses.replace(pairs, image=pairs.image * np.float32(np.sqrt(2)))
    twice = dataclasses.replace(pairs, image=np.concatenate([pairs.image] * 2, axis=1))
    X, X2, Y = (torch.from_numpy(A - A.mean(0)) for A in (*(views(p)[0] for p in (heavier, twice)), views(pairs)[1]))
    # both have the trace 2 tr(S), over 24 and over 48 features: zeros beside Y let one relative ridge serve both
    (left, _), primal = canonical_directions(X, Y, ridge=0.2, n_components=5)
    padded = torch.cat([Y, torch.zeros_like(Y)], dim=1)
    (right, _), dual = canonical_directions(X2, padded, ridge=0.4, n_components=5)
    np.testing.assert_allclose(primal, dual, rtol=1e-6)
    np.testing.assert_allclose((X @ left).abs(), (X2 @ right).abs(), rtol=1e-3, atol=1e-5)


def test_signs_do_not_depend_on_the_order_of_the_pairs_or_on_the_solver():
    pairs = make_pairs()
    shuffled = pairs.take(np.random.default_rng(0).permutation(len(pairs)))
    first, second = plain().fit(pairs), plain().fit(shuffled)
    np.testing.assert_allclose(first.encode_image(pairs.image), second.encode_image(pairs.image), atol=1e-5)
    np.testing.assert_allclose(first.encode_text(pairs.text), second.encode_text(pairs.text), atol=1e-5)
    weights = first.weights_["image"].numpy()
    assert (weights[np.abs(weights).argmax(0), np.arange(5)] > 0).all()


@pytest.mark.parametrize(
    ("shape", "width"),
    [({"d_image": 24, "d_text": 3}, 3), ({"d_image": 4, "d_text": 16}, 4), ({"classes": 2, "per_class": 3}, 5)],
)
def test_more_components_than_the_rank_are_lowered_to_it(shape, width):
    pairs = make_pairs(**shape)
    method = plain(n_components=500).fit(pairs)
    assert method.encode_image(pairs.image).shape == method.encode_text(pairs.text).shape == (len(pairs), width)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("per_class", [2, 30])
def test_features_that_depend_on_each_other_lower_the_rank_by_either_route(ridge, per_class):
    """Six pairs take the dual route, ninety the primal one; three independent features have three directions."""
    pairs = make_pairs(classes=3, per_class=per_class, d_image=3, d_text=16)
    copies = dataclasses.replace(pairs, image=np.concatenate([pairs.image] * 4, axis=1))
    method = plain(n_components=50, ridge=ridge).fit(copies)
    assert method.encode_image(copies.image).shape[1] == 3
    moved = copies.image.copy()
    moved[:, 0] += 1e-3  # copies that part a little, as float16 features of a new picture do
    difference = np.abs(method.encode_image(moved) - method.encode_image(copies.image)).max()
    assert difference < 0.1


def test_the_ridge_is_relative_to_the_scale_of_the_features():
    pairs = make_pairs()
    for factor in (1e-4, 1e4):
        scaled = dataclasses.replace(pairs, image=pairs.image * np.float32(factor))
        first, second = plain(ridge=0.5).fit(pairs), plain(ridge=0.5).fit(scaled)
        np.testing.assert_allclose(first.correlations_, second.correlations_, rtol=1e-5)
        np.testing.assert_allclose(
            first.encode_image(pairs.image), second.encode_image(scaled.image), rtol=1e-3, atol=1e-4
        )


def test_a_larger_ridge_lowers_the_correlations():
    pairs = make_pairs()
    leading = [float(plain(ridge=ridge).fit(pairs).correlations_[0]) for ridge in (0.0, 0.1, 1.0, 10.0, 100.0)]
    assert leading == sorted(leading, reverse=True) and leading[0] <= 1 + 1e-9 and leading[-1] > 0


def test_weighting_scales_each_direction_by_a_power_of_its_correlation():
    pairs = make_pairs()
    unweighted, weighted = plain().fit(pairs), plain(weighting=2.0).fit(pairs)
    np.testing.assert_allclose(
        weighted.encode_image(pairs.image),
        unweighted.encode_image(pairs.image) * unweighted.correlations_.numpy() ** 2,
        rtol=1e-5,
        atol=1e-7,
    )


@pytest.mark.parametrize("values", [{"ridge": -0.1}, {"n_components": 0}])
def test_values_out_of_range_are_refused(values):
    with pytest.raises(ConfigError, match="CCA needs ridge >= 0 and n_components >= 1"):
        plain(**values).fit(make_pairs())


@pytest.mark.parametrize("values", [{"ridge": "high"}, {"n_components": 2.5}, {"weighting": "x"}])
def test_values_of_the_wrong_type_are_refused_in_one_line(values):
    (name,) = values
    with pytest.raises(ConfigError, match=name):
        plain(**values).fit(make_pairs())
