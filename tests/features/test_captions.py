"""Several captions of a pair become rows as the named policy says, against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masln.errors import ConfigError, DataError
from masln.features import CAPTION_POLICIES, caption_rows, pool_captions

CAPTIONS = (("a dog", "one dog runs"), ("a cat",), ("x", "y", "z"))


@pytest.mark.parametrize(
    ("policy", "texts", "owners"),
    [
        ("first", ["a dog", "a cat", "x"], [0, 1, 2]),
        ("concat", ["a dog one dog runs", "a cat", "x y z"], [0, 1, 2]),
        ("each", ["a dog", "one dog runs", "a cat", "x", "y", "z"], [0, 0, 1, 2, 2, 2]),
        ("mean", ["a dog", "one dog runs", "a cat", "x", "y", "z"], [0, 0, 1, 2, 2, 2]),
    ],
)
def test_what_is_encoded(policy, texts, owners):
    rows = caption_rows(CAPTIONS, policy=policy)
    assert list(rows.texts) == texts and rows.owners.tolist() == owners and rows.policy == policy


@given(counts=st.lists(st.integers(1, 6), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_the_mean_is_that_of_a_loop(counts, seed):
    captions = [[f"{pair}-{number}" for number in range(count)] for pair, count in enumerate(counts)]
    rows = caption_rows(captions, policy="mean")
    features = np.random.default_rng(seed).normal(size=(len(rows.texts), 3)).astype(np.float32)
    pooled = pool_captions(features, rows)
    position = {text: features[number] for number, text in enumerate(rows.texts)}
    naive = np.array([sum(position[text].astype(float) for text in own) / len(own) for own in captions])
    np.testing.assert_allclose(pooled, naive, rtol=1e-6, atol=1e-7)
    assert pooled.dtype == np.float32 and pooled.shape == (len(counts), 3)


@pytest.mark.parametrize("policy", [policy for policy in CAPTION_POLICIES if policy != "mean"])
def test_other_policies_keep_each_row(policy):
    rows = caption_rows(CAPTIONS, policy=policy)
    sequences = np.random.default_rng(0).normal(size=(len(rows.texts), 4, 2)).astype(np.float32)
    np.testing.assert_array_equal(pool_captions(sequences, rows), sequences)


def test_what_has_no_meaning_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'concat'"):
        caption_rows(CAPTIONS, policy="concatenate")
    with pytest.raises(DataError, match="pair 1"):
        caption_rows([["a"], []], policy="first")
    with pytest.raises(DataError, match="pair 0"):
        caption_rows(["one string"], policy="first")
    rows = caption_rows(CAPTIONS, policy="mean")
    with pytest.raises(DataError, match="no mean"):
        pool_captions(np.zeros((6, 2, 2)), rows)
    with pytest.raises(DataError, match="5 rows of features for 6 texts"):
        pool_captions(np.zeros((5, 2)), rows)
