from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from masln.data import load_dataset
from masln.errors import MaslnError
from masln.experiments import RunConfig, run_experiment
from masln.experiments.run_data import run_data
from tests.conftest import add_label_sets, make_pairs
from tests.experiments.small import TINY, small_config, write_small_bundle

PAIRS = make_pairs(classes=6, per_class=20)
CONFIG = RunConfig()
SPLIT = CONFIG.make_split(PAIRS.class_names, 0)


def pairs_of(**values):
    return run_data(values.pop("dataset", PAIRS), dataclasses.replace(CONFIG, **values), SPLIT)


def training_rows(dataset, classes=SPLIT.seen):
    return dataset.rows_of(classes, dataset.rows("train"))


def test_by_default_the_data_are_those_of_the_bundle():
    data = pairs_of()
    assert data.pairs is PAIRS and data.facts == {}


def test_a_share_of_each_seen_class_stays_and_smaller_shares_are_parts_of_larger_ones():
    before: set[int] = set(training_rows(PAIRS).tolist())
    for share in (0.9, 0.5, 0.2, 0.001):
        data = pairs_of(train_share=share)
        kept = training_rows(data.pairs)
        counts = np.bincount(PAIRS.labels[kept], minlength=6)
        assert all(counts[c] == (max(1, round(15 * share)) if c in SPLIT.seen else 0) for c in range(6))
        assert set(kept.tolist()) < before
        assert data.facts == {"training_pairs": len(kept)}
        before = set(kept.tolist())
        again = pairs_of(train_share=share).pairs
        np.testing.assert_array_equal(again.split, data.pairs.split)
        assert data.pairs.image is PAIRS.image, "features are not copied"


def test_pairs_that_mix_seen_and_unseen_classes_do_not_count():
    mixed = add_label_sets(PAIRS, share=0.5)
    kept = training_rows(pairs_of(dataset=mixed, train_share=0.5).pairs)
    assert set(kept) <= set(training_rows(mixed)) and not mixed.label_sets[kept][:, list(SPLIT.unseen)].any()


def test_random_vectors_are_as_wide_and_as_long_as_the_own_ones_and_differ_between_splits():
    data, again = (pairs_of(class_vectors="random").pairs.class_embeddings for _ in range(2))
    np.testing.assert_array_equal(data, again)
    own = PAIRS.class_embeddings
    assert data.shape == own.shape and data.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(data, axis=1), np.linalg.norm(own, axis=1).mean(), rtol=1e-5)
    other = run_data(
        PAIRS, dataclasses.replace(CONFIG, class_vectors="random"), CONFIG.make_split(PAIRS.class_names, 1)
    )
    assert not np.allclose(data, other.pairs.class_embeddings)
    bare = dataclasses.replace(PAIRS, class_embeddings=None)
    assert pairs_of(dataset=bare, class_vectors="random").pairs.class_embeddings.shape == (6, 300)


def test_vectors_come_from_a_file_of_word_vectors(tmp_path):
    file = tmp_path / "vectors.txt"
    lines = [f"class{number} {number} 1 {-number}" for number in range(6)]
    file.write_text("6 3\n" + "\n".join(lines) + "\n")
    data = pairs_of(class_vectors=str(file))
    np.testing.assert_array_equal(data.pairs.class_embeddings[:, 0], np.arange(6))
    assert data.facts["class_vectors"]["kind"] == "file" and len(data.facts["class_vectors"]["sha256"]) == 64
    file_of_few = tmp_path / "few.txt"
    file_of_few.write_text("1 3\nclass0 1 1 1\n")
    with pytest.raises(MaslnError, match="no word vector for 5 of 6 class names"):
        pairs_of(class_vectors=str(file_of_few))


@pytest.mark.parametrize("kind", ["glove", "sentence"])
def test_vectors_come_from_the_packaged_models(kind):
    named = dataclasses.replace(PAIRS, class_names=("dog", "cat", "ship", "car", "tree", "house"))
    data = pairs_of(dataset=named, class_vectors=kind)
    vectors = data.pairs.class_embeddings
    assert vectors.shape == (6, {"glove": 50, "sentence": 384}[kind]) and data.facts["class_vectors"]["kind"] == kind
    near = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert near[0] @ near[1] > near[0] @ near[3], "a dog is more of a cat than of a car"


def test_a_run_is_fitted_on_them_scored_on_all_and_says_so(tmp_path):
    bundle = write_small_bundle(tmp_path / "bundle")
    plain = small_config(bundle, select=False, splits=1, baselines=["cca"])
    whole, part = (
        run_experiment(dataclasses.replace(plain, **values), tmp_path / f"run{number}").records
        for number, values in enumerate(({}, {"train_share": 0.5, "class_vectors": "random"}))
    )
    for one, other in zip(whole, part, strict=True):
        assert list(one.per_query["row"]) == list(other.per_query["row"]), "queries are those of the whole dataset"
        assert one.map("seen") != other.map("seen")
        assert one.facts["data_hash"] == other.facts["data_hash"]
    dataset = load_dataset(bundle)
    seen = plain.make_split(dataset.class_names, 0).seen
    facts = json.loads((tmp_path / "run1/masln/split0-seed0/metrics.json").read_text())
    assert facts["training_pairs"] == 3 * len(seen) and facts["class_vectors"]["kind"] == "random"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"class_vectors": "glov"}, "class vectors 'glov': no such file; give glove, sentence"),
        ({"class_vectors": "none"}, "MASLN does without by class_embedding=false"),
        ({"train_share": 0.0}, "train_share must lie above 0"),
        ({"train_share": 1.5}, "train_share must lie above 0"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, values, message):
    bundle = write_small_bundle(tmp_path / "bundle")
    with pytest.raises(MaslnError, match=message) as caught:
        run_experiment(small_config(bundle, hyperparameters=TINY, **values), tmp_path / "run")
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()
