from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from masln.data import PairedDataset
from masln.errors import DataError
from masln.models import CCA, ClusterCCA
from tests.conftest import make_pairs


def plain(**values: object) -> ClusterCCA:
    return ClusterCCA(**{"input_scaling": "none"} | values)


def uneven(**shape: int) -> PairedDataset:
    """Classes of 3, 6, 9 and 12 pairs."""
    pairs = make_pairs(classes=4, per_class=12, **shape)
    return pairs.take(np.concatenate([np.arange(12 * c, 12 * c + 3 * (c + 1)) for c in range(4)]))


def written_out(pairs: PairedDataset) -> PairedDataset:
    """Every image of a class with every text of it."""
    rows = [(i, j) for i in range(len(pairs)) for j in range(len(pairs)) if pairs.labels[i] == pairs.labels[j]]
    left, right = np.array(rows).T
    return dataclasses.replace(pairs.take(left), text=pairs.text[right])


@pytest.mark.parametrize("ridge", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("shape", [{}, {"d_image": 60}, {"d_image": 5, "d_text": 50}])
def test_codes_equal_those_of_cca_on_all_pairs_within_a_class(ridge, shape):
    pairs = uneven(**shape)
    naive = CCA(ridge=ridge, n_components=3, input_scaling="none").fit(written_out(pairs))
    ours = plain(ridge=ridge).fit(pairs)
    np.testing.assert_allclose(ours.correlations_, naive.correlations_, rtol=1e-6)
    np.testing.assert_allclose(ours.encode_image(pairs.image), naive.encode_image(pairs.image), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(ours.encode_text(pairs.text), naive.encode_text(pairs.text), rtol=1e-3, atol=1e-4)


def test_which_image_of_a_class_stands_beside_which_text_changes_nothing():
    pairs = uneven()
    rng = np.random.default_rng(0)
    other = np.concatenate([rng.permutation(np.flatnonzero(pairs.labels == c)) for c in range(4)])
    assert not np.array_equal(other, np.arange(len(pairs)))
    first, second = plain().fit(pairs), plain().fit(dataclasses.replace(pairs, text=pairs.text[other]))
    np.testing.assert_allclose(first.encode_text(pairs.text), second.encode_text(pairs.text), atol=1e-5)


def test_one_pair_a_class_makes_it_cca():
    pairs = make_pairs(classes=9, per_class=1)
    cca = CCA(n_components=8, input_scaling="none").fit(pairs)
    np.testing.assert_allclose(plain().fit(pairs).encode_image(pairs.image), cca.encode_image(pairs.image), atol=1e-5)


def test_there_is_one_direction_fewer_than_classes():
    pairs = make_pairs(classes=4)
    assert plain(n_components=64).fit(pairs).encode_image(pairs.image).shape == (len(pairs), 3)


def test_a_single_class_is_refused_in_one_line():
    with pytest.raises(
        DataError, match=r"^ClusterCCA needs training pairs of at least 2 classes and got those of 1; hold fewer"
    ):
        plain().fit(make_pairs(classes=1))
