from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from cca_zoo import nonparametric
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics.pairwise import pairwise_kernels

from masln.data import PairedDataset
from masln.errors import ConfigError
from masln.models import CCA, KCCA, load_method
from tests.conftest import make_pairs

SHAPES = [{}, {"d_image": 120}, {"d_image": 5, "d_text": 60}]


def plain(**values: object) -> KCCA:
    return KCCA(**{"input_scaling": "none", "n_components": 4} | values)


def centred(**shape: int) -> PairedDataset:
    """cca-zoo centres the inputs of a kernel; ours leaves that to the input scaling."""
    pairs = make_pairs(classes=4, per_class=20, **shape)
    return dataclasses.replace(pairs, image=pairs.image - pairs.image.mean(0), text=pairs.text - pairs.text.mean(0))


def kernel_settings(X: np.ndarray, kernel: str, width: float) -> dict[str, object]:
    distance = np.square(X[:, None] - X[None]).sum(-1).mean()
    own = {"degree": 2, "coef0": 1.0} if kernel == "polynomial" else {}
    return {"metric": kernel, "gamma": 1 / (width * distance), **own}


def centred_kernel(X: np.ndarray, kernel: str, width: float) -> np.ndarray:
    K = pairwise_kernels(X, **kernel_settings(X, kernel, width))
    return K - K.mean(0) - K.mean(1)[:, None] + K.mean()


def zoo_shrinkage(K: np.ndarray, ridge: float) -> float:
    """cca-zoo blends (1 - c) S + c I with S over n - 1; ours adds ridge * trace(K) / n to S over n."""
    n = len(K)
    t = ridge * np.trace(K) / (n - 1)
    return t / (1 + t)


@pytest.mark.parametrize("kernel", ["rbf", "polynomial"])
@pytest.mark.parametrize(("ridge", "width"), [(0.001, 1.0), (0.1, 0.5)])
@pytest.mark.parametrize("shape", SHAPES)
def test_codes_equal_those_of_cca_zoo(kernel, ridge, width, shape):
    pairs = centred(**shape)
    views = [pairs.image.astype(float), pairs.text.astype(float)]
    theirs = nonparametric.KCCA(
        4,
        kernel=kernel,
        gamma=[kernel_settings(X, kernel, width)["gamma"] for X in views],
        degree=2,
        coef0=1.0,
        shrinkage=[zoo_shrinkage(centred_kernel(X, kernel, width), ridge) for X in views],
    ).fit(views)
    new = make_pairs(classes=4, per_class=5, seed=0, **shape)
    expected = theirs.transform([new.image.astype(float), new.text.astype(float)])
    ours = plain(kernel=kernel, ridge=ridge, width=width).fit(pairs)
    for code, other in zip((ours.encode_image(new.image), ours.encode_text(new.text)), expected, strict=True):
        assert code.shape == other.shape
        for mine, their in zip(code.T, other.T, strict=True):
            mine, their = (v / np.linalg.norm(v) for v in (mine, their))
            assert abs(mine @ their) == pytest.approx(1, abs=1e-5)


def test_training_codes_meet_the_constraints_of_the_objective():
    pairs, n = centred(), 80
    ours = plain(ridge=0.01).fit(pairs)
    for name, X in (("image", pairs.image), ("text", pairs.text)):
        K = centred_kernel(X.astype(float), "rbf", 1.0)
        A = ours.weights_[name].numpy()
        ridge = 0.01 * np.trace(K) / n
        np.testing.assert_allclose(A.T @ (K @ K / n + ridge * K) @ A, np.eye(4), atol=1e-8)
    cross = ours.encode_image(pairs.image).T @ ours.encode_text(pairs.text) / n
    np.testing.assert_allclose(cross, np.diag(ours.correlations_), atol=1e-5)
    assert (np.diff(ours.correlations_) <= 0).all() and ours.correlations_[0] < 1


@pytest.mark.parametrize("shape", SHAPES)
def test_a_polynomial_of_degree_one_is_cca(shape):
    """Its feature space is the input's, so both ridges are the same share of the total variance."""
    pairs = make_pairs(classes=4, per_class=20, **shape)
    p, q = pairs.image.shape[1], pairs.text.shape[1]
    padded = dataclasses.replace(pairs, text=np.pad(pairs.text, ((0, 0), (0, max(p - q, 0)))))
    padded = dataclasses.replace(padded, image=np.pad(pairs.image, ((0, 0), (0, max(q - p, 0)))))
    cca = CCA(ridge=0.02 * max(p, q), input_scaling="none", n_components=4).fit(padded)
    ours = plain(kernel="polynomial", degree=1, ridge=0.02).fit(pairs)
    np.testing.assert_allclose(ours.correlations_, cca.correlations_, rtol=1e-6)
    for code, other in (
        (ours.encode_image(pairs.image), cca.encode_image(padded.image)),
        (ours.encode_text(pairs.text), cca.encode_text(padded.text)),
    ):
        np.testing.assert_allclose(np.abs(code), np.abs(other), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kernel", ["rbf", "polynomial"])
def test_above_the_limit_it_is_cca_on_the_nystroem_features_of_scikit_learn(kernel):
    pairs = make_pairs(classes=5, per_class=30)
    ours = plain(kernel=kernel, exact_pairs=100, landmarks=40, ridge=0.01).fit(pairs)
    assert ours.weights_["image"].shape == (40, 4) and ours.image_landmarks_.shape == (40, 24)
    features = []
    for landmarks, X in ((ours.image_landmarks_, pairs.image), (ours.text_landmarks_, pairs.text)):
        settings = kernel_settings(X.astype(float), kernel, 1.0)
        settings["kernel"] = settings.pop("metric")
        map_ = Nystroem(**settings, n_components=40, random_state=0).fit(landmarks.numpy())
        features.append(map_.transform(X.astype(float)))
    lifted = dataclasses.replace(pairs, image=features[0], text=features[1])
    cca = CCA(ridge=0.01 * 40, input_scaling="none", n_components=4).fit(lifted)
    np.testing.assert_allclose(ours.correlations_, cca.correlations_, rtol=1e-5)
    for code, other in (
        (ours.encode_image(pairs.image), cca.encode_image(features[0])),
        (ours.encode_text(pairs.text), cca.encode_text(features[1])),
    ):
        np.testing.assert_allclose(np.abs(code), np.abs(other), rtol=1e-2, atol=1e-3)


def test_the_approximation_nears_the_exact_solution_with_more_landmarks():
    pairs = make_pairs(classes=4, per_class=30)
    exact = plain().fit(pairs).correlations_.numpy()
    errors = [
        np.abs(plain(exact_pairs=0, landmarks=m).fit(pairs).correlations_.numpy() - exact).max()
        for m in (10, 40, 100, 120)
    ]
    assert errors == sorted(errors, reverse=True) and errors[0] > 0.01 > 1e-3 > errors[2] and errors[3] < 1e-9


def test_approximate_models_are_saved_whole(tmp_path):
    pairs = make_pairs()
    ours = plain(exact_pairs=50, landmarks=20, kernel="polynomial").fit(pairs)
    ours.save(tmp_path)
    loaded = load_method(tmp_path)
    for name in ("correlations_", "gammas_", "text_landmarks_"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(ours, name))
    np.testing.assert_array_equal(loaded.encode_text(pairs.text), ours.encode_text(pairs.text))


def test_many_rows_are_encoded_block_by_block_to_the_same_codes():
    pairs = make_pairs()
    ours = plain().fit(pairs)
    rows = np.random.default_rng(0).integers(0, len(pairs), 5000)
    np.testing.assert_allclose(
        ours.encode_image(pairs.image[rows]), ours.encode_image(pairs.image)[rows], rtol=1e-4, atol=1e-6
    )
    assert ours.encode_image(pairs.image[:0]).shape == (0, 4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kernel": "rfb"}, r"unknown kernel 'rfb' \(did you mean 'rbf'\?\); known: polynomial, rbf"),
        ({"ridge": 0.0}, r"KCCA needs width >= 1e-09 and degree >= 1 and ridge >= 1e-09"),
        ({"width": 0.0}, r"KCCA needs width >= 1e-09"),
        ({"landmarks": 0}, r"landmarks >= 1, got"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        plain(**values).fit(make_pairs())
