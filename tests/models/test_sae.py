from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.linalg
import torch

from masln.data import PairedDataset
from masln.errors import ConfigError, DataError
from masln.models import SAE
from tests.conftest import make_pairs


def plain(**values: object) -> SAE:
    return SAE(**{"input_scaling": "none"} | values)


def of_full_rank(pairs: PairedDataset) -> PairedDataset:
    """The pairs with class embeddings that span all ten dimensions."""
    vectors = np.random.default_rng(1).normal(size=(len(pairs.class_names), 10))
    return dataclasses.replace(pairs, class_embeddings=vectors)


def unit(X: np.ndarray) -> np.ndarray:
    X = X.astype(float)
    return X / np.sqrt(np.square(X).sum() / len(X))


def encoder(method: SAE, pairs: PairedDataset, name: str) -> np.ndarray:
    """W for features of mean square norm 1."""
    X = getattr(pairs, name).astype(float)
    return method.weights_[name].numpy().T * np.sqrt(np.square(X).sum() / len(X))


@pytest.mark.parametrize("encoding", [0.05, 1.0, 20.0])
def test_the_encoder_solves_the_sylvester_equation_as_scipy_does(encoding):
    pairs = of_full_rank(make_pairs(classes=12, per_class=10))
    ours = plain(encoding=encoding).fit(pairs)
    S = unit(pairs.class_embeddings[pairs.labels])
    for name in ("image", "text"):
        X = unit(getattr(pairs, name))
        expected = scipy.linalg.solve_sylvester(S.T @ S, encoding * X.T @ X, (1 + encoding) * S.T @ X)
        np.testing.assert_allclose(encoder(ours, pairs, name), expected, rtol=1e-6, atol=1e-8)


def test_the_encoder_minimises_the_two_losses():
    """One Newton step by autograd, from zero, on the quadratic objective of the docstring."""
    pairs = of_full_rank(make_pairs(classes=12, per_class=4, d_text=5))
    S, X = (torch.from_numpy(unit(V)) for V in (pairs.class_embeddings[pairs.labels], pairs.text))

    def loss(W: torch.Tensor) -> torch.Tensor:
        return (X - S @ W).square().sum() + 0.3 * (X @ W.T - S).square().sum()

    start = torch.zeros(10, 5, dtype=torch.float64)
    gradient = torch.autograd.functional.jacobian(loss, start).ravel()
    hessian = torch.autograd.functional.hessian(loss, start).reshape(50, 50)
    expected = -torch.linalg.solve(hessian, gradient).reshape(10, 5)
    np.testing.assert_allclose(encoder(plain(encoding=0.3).fit(pairs), pairs, "text"), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("shape", [{}, {"d_image": 100}])
def test_fewer_classes_than_dimensions_take_the_solution_of_least_norm(shape):
    """Three classes span three of ten dimensions: the vectorised system is singular."""
    pairs = make_pairs(classes=3, per_class=9, **shape)
    S, X = unit(pairs.class_embeddings[pairs.labels]), unit(pairs.image)
    p = X.shape[1]
    system = np.kron(S.T @ S, np.eye(p)) + np.kron(np.eye(10), 2.0 * X.T @ X)
    expected = np.linalg.lstsq(system, (3.0 * S.T @ X).ravel(), rcond=1e-11)[0].reshape(10, p)
    np.testing.assert_allclose(encoder(plain(encoding=2.0).fit(pairs), pairs, "image"), expected, rtol=1e-5, atol=1e-7)


def test_codes_are_near_the_embedding_of_the_own_class_and_of_an_unseen_one():
    pairs = make_pairs(classes=24, per_class=15)
    method = plain().fit(pairs.of_classes(range(20)))
    for classes, least in ((range(20), 0.6), (range(20, 24), 0.6)):
        some = pairs.of_classes(classes)
        for codes in (method.encode_image(some.image), method.encode_text(some.text)):
            cosine = codes @ (some.class_embeddings / np.linalg.norm(some.class_embeddings, axis=1, keepdims=True)).T
            assert (cosine.argmax(1) == some.labels).mean() > least


def test_units_change_nothing():
    pairs = make_pairs()
    scaled = dataclasses.replace(
        pairs, image=pairs.image * np.float32(1e3), class_embeddings=pairs.class_embeddings * np.float32(1e-3)
    )
    first, second = plain().fit(pairs).encode_image(pairs.image), plain().fit(scaled).encode_image(scaled.image)
    np.testing.assert_allclose(second, first, rtol=1e-3, atol=1e-5)


def test_classes_without_embeddings_and_values_out_of_range_are_refused():
    with pytest.raises(DataError, match=r"^SAE maps to class embeddings and synthetic has none; make the bundle with"):
        plain().fit(dataclasses.replace(make_pairs(), class_embeddings=None))
    with pytest.raises(ConfigError, match=r"SAE needs encoding >= 0, got -1.0"):
        plain(encoding=-1.0).fit(make_pairs())
