from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from masln.errors import ConfigError, DataError
from masln.models import CCA, SCM
from tests.conftest import make_pairs


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_codes_are_the_posteriors_of_a_logistic_regression_on_canonical_coordinates(classes):
    pairs = make_pairs(classes=classes, per_class=15)
    cca = CCA(n_components=5, ridge=0.5).fit(pairs)
    ours = SCM(n_components=5, ridge=0.5, penalty=0.02).fit(pairs)
    for encode, features in (("encode_image", pairs.image), ("encode_text", pairs.text)):
        coordinates = getattr(cca, encode)(features).astype(float)
        classifier = LogisticRegression(C=1 / (0.02 * len(pairs)), max_iter=10_000, tol=1e-8)
        expected = classifier.fit(coordinates, pairs.labels).predict_proba(coordinates)
        codes = getattr(ours, encode)(features)
        np.testing.assert_allclose(codes, expected, atol=2e-3)
        np.testing.assert_allclose(codes.sum(1), 1, atol=1e-6)


def test_the_classifier_minimises_what_the_docstring_says():
    """At the minimum the mean of (p - y) z' balances the penalty on the weights."""
    pairs = make_pairs()
    cca, ours = (cls(n_components=5, input_scaling="none").fit(pairs) for cls in (CCA, SCM))
    coordinates = cca.encode_image(pairs.image).astype(float)
    weights = np.linalg.lstsq(cca.weights_["image"].numpy(), ours.weights_["image"].numpy(), rcond=None)[0]
    residual = ours.encode_image(pairs.image) - np.eye(6)[pairs.labels]
    np.testing.assert_allclose(coordinates.T @ residual / len(pairs), -0.01 * weights, atol=3e-4)
    assert np.abs(weights).max() > 0.5, "the balance is not one of zeros"


def test_the_class_is_told_and_an_unseen_class_resembles_the_near_one():
    pairs = make_pairs(classes=4, per_class=30)
    train = pairs.of_classes([0, 1, 2])
    method = SCM().fit(train)
    for codes in (method.encode_image(train.image), method.encode_text(train.text)):
        assert (codes.argmax(1) == train.labels).mean() > 0.9
    unseen = pairs.of_classes([3])
    image, text = method.encode_image(unseen.image).mean(0), method.encode_text(unseen.text).mean(0)
    assert image.argmax() == text.argmax()


def test_a_larger_penalty_gives_softer_posteriors():
    pairs = make_pairs()
    sure = [SCM(penalty=penalty).fit(pairs).encode_image(pairs.image).max(1).mean() for penalty in (0.001, 0.1, 10.0)]
    assert sure[0] > sure[1] > sure[2] > 1 / 6


def test_a_single_class_and_values_out_of_range_are_refused():
    with pytest.raises(DataError, match="SCM needs training pairs of at least 2 classes and got those of 1"):
        SCM().fit(make_pairs(classes=1))
    with pytest.raises(ConfigError, match=r"SCM needs ridge >= 0 and penalty >= 1e-09 and n_components >= 1"):
        SCM(penalty=0.0).fit(make_pairs())
