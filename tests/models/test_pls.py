from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSSVD, PLSCanonical

from masln.errors import ConfigError
from masln.models import PLS, load_method
from tests.conftest import make_pairs


def plain(**values: object) -> PLS:
    return PLS(**{"input_scaling": "none", "n_components": 5} | values)


SHAPES = [{}, {"d_image": 300}, {"d_text": 300}, {"d_image": 9, "d_text": 30}]


@pytest.mark.parametrize("shape", SHAPES)
def test_codes_equal_those_of_scikit_learn(shape):
    pairs = make_pairs(**shape)
    theirs = PLSSVD(5, scale=False).fit(pairs.image.astype(float), pairs.text.astype(float))
    expected = theirs.transform(pairs.image.astype(float), pairs.text.astype(float))
    ours = plain().fit(pairs)
    signs = np.sign((ours.encode_image(pairs.image) * expected[0]).sum(0))
    for code, other in zip((ours.encode_image(pairs.image), ours.encode_text(pairs.text)), expected, strict=True):
        np.testing.assert_allclose(code * signs, other, rtol=1e-4, atol=1e-4)


def test_the_first_direction_is_that_of_the_variant_with_deflation():
    pairs = make_pairs()
    theirs = PLSCanonical(1, scale=False, tol=1e-12, max_iter=5000).fit(
        pairs.image.astype(float), pairs.text.astype(float)
    )
    ours = plain(n_components=1).fit(pairs)
    for name, weights in (("image", theirs.x_rotations_), ("text", theirs.y_rotations_)):
        assert abs(float(ours.weights_[name][:, 0].numpy() @ weights[:, 0])) == pytest.approx(1, abs=1e-9)


def test_directions_are_orthonormal_and_their_covariances_those_of_the_codes():
    pairs = make_pairs()
    ours = plain().fit(pairs)
    for weights in ours.weights_.values():
        np.testing.assert_allclose(weights.T @ weights, np.eye(5), atol=1e-12)
    image, text = ours.encode_image(pairs.image), ours.encode_text(pairs.text)
    np.testing.assert_allclose(image.T @ text / len(pairs), np.diag(ours.covariances_), atol=1e-3)
    assert (np.diff(ours.covariances_) <= 0).all()


def test_signs_do_not_depend_on_the_order_of_the_pairs():
    pairs = make_pairs()
    shuffled = pairs.take(np.random.default_rng(0).permutation(len(pairs)))
    first, second = plain().fit(pairs), plain().fit(shuffled)
    np.testing.assert_allclose(first.weights_["text"], second.weights_["text"], atol=1e-9)
    weights = first.weights_["image"].numpy()
    assert (weights[np.abs(weights).argmax(0), np.arange(5)] > 0).all()


@pytest.mark.parametrize(
    ("shape", "width"),
    [({"d_image": 24, "d_text": 3}, 3), ({"d_image": 4, "d_text": 16}, 4), ({"classes": 2, "per_class": 3}, 5)],
)
def test_more_components_than_the_rank_are_lowered_to_it(shape, width):
    pairs = make_pairs(**shape)
    assert plain(n_components=500).fit(pairs).encode_text(pairs.text).shape == (len(pairs), width)


def test_covariances_are_kept_with_the_model(tmp_path):
    ours = plain().fit(make_pairs())
    ours.save(tmp_path)
    np.testing.assert_array_equal(load_method(tmp_path).covariances_, ours.covariances_)


def test_features_that_say_nothing_of_the_text_get_no_weight():
    pairs = make_pairs()
    still = dataclasses.replace(pairs, image=np.concatenate([pairs.image, np.full_like(pairs.image, 2.0)], axis=1))
    weights = plain().fit(still).weights_["image"].numpy()
    np.testing.assert_allclose(weights[24:], 0, atol=1e-12)


def test_values_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="PLS needs n_components >= 1, got 0"):
        plain(n_components=0).fit(make_pairs())
