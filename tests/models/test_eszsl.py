from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from masln.errors import ConfigError, DataError
from masln.models import ESZSL
from tests.conftest import make_pairs


def plain(**values: object) -> ESZSL:
    return ESZSL(**{"input_scaling": "none"} | values)


@pytest.mark.parametrize(("ridge", "class_ridge"), [(1.0, 1.0), (0.01, 0.1), (10.0, 0.01)])
@pytest.mark.parametrize("shape", [{"d_image": 8, "d_text": 6}, {"d_image": 20, "d_text": 3}])
def test_weights_solve_the_least_squares_problem_written_out(ridge, class_ridge, shape):
    """Every entry of V is one unknown: rows of the four terms, one below the other, by Kronecker products."""
    pairs = make_pairs(classes=3, per_class=5, **shape)
    S = pairs.class_embeddings.astype(float)
    Y = np.where(pairs.labels[:, None] == np.arange(3), 1.0, -1.0)
    ours = plain(ridge=ridge, class_ridge=class_ridge).fit(pairs)
    for name in ("image", "text"):
        X = getattr(pairs, name).astype(float)
        g = ridge * np.square(X).mean() * len(X)
        lam = class_ridge * np.square(S).sum(1).mean()
        a, p = S.shape[1], X.shape[1]
        rows = [np.kron(X, S), np.sqrt(g) * np.kron(np.eye(p), S), np.sqrt(lam) * np.kron(X, np.eye(a))]
        rows.append(np.sqrt(g * lam) * np.eye(p * a))
        right = np.concatenate([Y.ravel(), np.zeros(sum(len(block) for block in rows[1:]))])
        V = np.linalg.lstsq(np.concatenate(rows), right, rcond=None)[0].reshape(p, a)
        np.testing.assert_allclose(ours.weights_[name], V, rtol=1e-6, atol=1e-9)


def test_codes_score_the_classes_by_their_embeddings():
    pairs = make_pairs(classes=5, per_class=20)
    method = plain(ridge=0.01, class_ridge=0.01).fit(pairs)
    for codes in (method.encode_image(pairs.image), method.encode_text(pairs.text)):
        scores = codes @ pairs.class_embeddings.T
        assert (scores.argmax(1) == pairs.labels).mean() > 0.9


def test_an_unseen_class_is_told_from_other_unseen_ones_by_its_embedding():
    pairs = make_pairs(classes=44, per_class=15)
    method = ESZSL().fit(pairs.of_classes(range(40)))
    unseen = pairs.of_classes(range(40, 44))
    for codes in (method.encode_image(unseen.image), method.encode_text(unseen.text)):
        assert ((codes @ unseen.class_embeddings.T).argmax(1) == unseen.labels).mean() > 0.6, "chance is .25"


def test_more_features_than_pairs_take_the_smaller_system_to_the_same_solution():
    pairs = make_pairs(classes=3, per_class=8)
    zeros = np.zeros((len(pairs), 76), dtype=np.float32)
    wide = dataclasses.replace(pairs, image=np.concatenate([pairs.image, zeros], axis=1))
    first, second = plain(ridge=0.5).fit(pairs), plain(ridge=0.5 * 100 / 24).fit(wide)
    np.testing.assert_allclose(second.weights_["image"][:24], first.weights_["image"], rtol=1e-7, atol=1e-12)


def test_units_change_nothing_but_the_scale_of_the_codes():
    pairs = make_pairs()
    scaled = dataclasses.replace(
        pairs, image=pairs.image * np.float32(1e3), class_embeddings=pairs.class_embeddings * np.float32(1e-3)
    )
    first, second = plain().fit(pairs).encode_image(pairs.image), plain().fit(scaled).encode_image(scaled.image)
    np.testing.assert_allclose(second * 1e-3, first, rtol=1e-3, atol=1e-6)


def test_classes_without_embeddings_are_refused_in_one_line():
    with pytest.raises(
        DataError, match=r"^ESZSL maps to class embeddings and synthetic has none; make the bundle with"
    ):
        plain().fit(dataclasses.replace(make_pairs(), class_embeddings=None))


def test_values_out_of_range_are_refused():
    with pytest.raises(ConfigError, match=r"ESZSL needs ridge >= 0 and class_ridge >= 0, got 1.0 and -1.0"):
        plain(class_ridge=-1.0).fit(make_pairs())
