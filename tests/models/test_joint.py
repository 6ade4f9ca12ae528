"""What every joint scorer keeps: scores of pairs, in chunks, beside its codes; and attention that can be looked at."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

import masln.models.joint as joint
from masln.data import PairedDataset
from masln.errors import ConfigError, DataError
from masln.evaluation import Reranker, rank, rerank, top_items
from masln.models import JointScorer, load_method, make_method, method_resolver
from masln.training import Runtime
from tests.conftest import make_pairs, make_sequences
from tests.models.test_method_contract import SMALL
from tests.models.test_sequence_contract import with_garbage

CPU = Runtime(device="cpu")
PAIRS = make_sequences(classes=4, per_class=8)
SCORERS = sorted(name for name, cls in method_resolver.lookup_dict.items() if issubclass(cls, JointScorer))


@pytest.fixture(scope="module", params=SCORERS)
def method(request) -> JointScorer:
    return fitted(request.param)


def fitted(name: str, pairs: PairedDataset = PAIRS, **values: Any) -> JointScorer:
    made = make_method(name, **SMALL[name] | values).fit(pairs, runtime=CPU)
    assert isinstance(made, JointScorer)
    return made


def all_pairs(pairs: PairedDataset) -> dict[str, np.ndarray]:
    image_rows, text_rows = np.divmod(np.arange(len(pairs) ** 2), len(pairs))
    return {"image_rows": image_rows, "text_rows": text_rows}


def features(pairs: PairedDataset) -> tuple[Any, ...]:
    return pairs.image, pairs.text, pairs.text_mask


def test_a_pair_scores_as_its_network_says_by_itself(method):
    scores = method.score(*features(PAIRS), **all_pairs(PAIRS)).reshape(32, 32)
    assert scores.dtype == np.float32
    scaled = {side: method.scalings_[side] for side in ("image", "text")}
    for i, j in ((0, 0), (3, 17), (31, 2)):
        text, mask = torch.from_numpy(PAIRS.text[j : j + 1]), torch.from_numpy(PAIRS.text_mask[j : j + 1])
        with torch.no_grad():
            image = method.network_.items("image", scaled["image"](torch.from_numpy(PAIRS.image[i : i + 1])))
            words = method.network_.items("text", scaled["text"](text[mask][None]))
            alone = method.network_.joint_scores(image, words)
        assert scores[i, j] == pytest.approx(float(alone), abs=1e-5)


@pytest.mark.parametrize(("items", "chunk"), [(1, 1), (5, 3), (7, 1000), (1000, 7)])
def test_scores_do_not_depend_on_blocks_and_chunks(method, monkeypatch, items, chunk):
    rng = np.random.default_rng(0)
    rows = {"image_rows": rng.integers(0, 32, 200), "text_rows": rng.integers(0, 32, 200)}
    expected = method.score(*features(PAIRS), **rows)
    monkeypatch.setattr(joint, "_ITEMS", items)
    np.testing.assert_allclose(method.score(*features(PAIRS), **rows, pairs_at_once=chunk), expected, atol=1e-5)


def test_without_rows_each_picture_goes_with_its_text(method):
    every = method.score(*features(PAIRS), **all_pairs(PAIRS)).reshape(32, 32)
    np.testing.assert_allclose(method.score(*features(PAIRS)), every.diagonal(), atol=1e-5)
    nothing = np.empty(0, np.int64)
    assert method.score(*features(PAIRS), image_rows=nothing, text_rows=nothing).shape == (0,)


def test_scores_are_those_of_the_tokens_whatever_stands_behind_them(method):
    garbled = with_garbage(PAIRS, longer=3)
    garbled.text[~garbled.text_mask] = np.nan
    np.testing.assert_allclose(method.score(*features(garbled)), method.score(*features(PAIRS)), atol=1e-5)


def test_words_and_regions_both_move_the_score(method):
    before = method.score(*features(PAIRS))
    moved = PAIRS.text.copy()
    moved[np.arange(32), PAIRS.text_mask.sum(axis=1) - 1] += 5
    assert (np.abs(method.score(PAIRS.image, moved, PAIRS.text_mask) - before) > 1e-5).all()
    regions = PAIRS.image.copy()
    regions[:, -1] += 5
    assert (np.abs(method.score(regions, PAIRS.text, PAIRS.text_mask) - before) > 1e-5).all()


def test_a_loaded_method_scores_alike_and_leaves_the_random_state_alone(method, tmp_path):
    method.save(tmp_path)
    loaded, state = load_method(tmp_path), torch.get_rng_state()
    np.testing.assert_array_equal(loaded.score(*features(PAIRS)), method.score(*features(PAIRS)))
    assert torch.equal(torch.get_rng_state(), state)


def test_attention_is_a_weighting_of_regions_for_each_word_and_nothing_else(method):
    weights = method.attention(*features(PAIRS))
    assert weights.shape == (32, PAIRS.text.shape[1], PAIRS.image.shape[1]) and weights.dtype == np.float32
    np.testing.assert_allclose(weights.sum(axis=2), PAIRS.text_mask, atol=1e-5)
    assert (weights >= 0).all() and weights[PAIRS.text_mask].std() > 0
    longer = with_garbage(PAIRS, longer=3)
    np.testing.assert_allclose(method.attention(*features(longer))[:, :-3], weights, atol=1e-5)


def test_global_features_are_scored_as_sequences_of_one():
    pairs = make_pairs(classes=4, per_class=8)
    for name in SCORERS:
        method = fitted(name, pairs)
        as_one = pairs.image[:, None], pairs.text[:, None], np.ones((32, 1), dtype=bool)
        np.testing.assert_allclose(method.score(pairs.image, pairs.text), method.score(*as_one), atol=1e-5)
        np.testing.assert_allclose(method.attention(pairs.image, pairs.text), np.ones((32, 1, 1)))


def test_memory_mapped_features_score_alike(method, tmp_path):
    np.save(tmp_path / "image.npy", PAIRS.image)
    mapped = np.load(tmp_path / "image.npy", mmap_mode="r")
    expected = method.score(*features(PAIRS))
    np.testing.assert_array_equal(method.score(mapped, PAIRS.text, PAIRS.text_mask), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": PAIRS.text}, r"image features must be \(n, 24\) or \(n, regions, 24\) as in training"),
        ({"text_mask": None}, "needs a text_mask"),
        ({"image": PAIRS.image[:5]}, "5 images and 32 texts are no pairs; give the rows of each pair"),
        ({"image_rows": np.zeros(3, int)}, r"text_rows must be \(p,\) whole numbers"),
        ({"image_rows": np.zeros(3), "text_rows": np.zeros(3, int)}, r"image_rows must be \(p,\) whole numbers"),
        (
            {"image_rows": np.array([0, 32]), "text_rows": np.zeros(2, int)},
            "image_rows run from 0 to 32 but there are 32",
        ),
        ({"image_rows": np.zeros(1, int), "text_rows": np.array([-1])}, "text_rows run from -1 to -1"),
        ({"image_rows": np.zeros(2, int), "text_rows": np.zeros(3, int)}, "2 image_rows and 3 text_rows"),
        (
            {"image": np.where(np.arange(32) == 7, np.nan, 1)[:, None, None] * PAIRS.image},
            "image row 7 and text row 7 is not",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(method, change, message):
    given = {"image": PAIRS.image, "text": PAIRS.text, "text_mask": PAIRS.text_mask} | change
    with pytest.raises(DataError, match=message) as caught:
        method.score(given.pop("image"), given.pop("text"), **given)
    assert "\n" not in str(caught.value)


def test_scoring_before_fitting_is_refused():
    for name in SCORERS:
        with pytest.raises(NotFittedError, match="is not fitted; call fit"):
            make_method(name).score(*features(PAIRS))


def test_a_score_that_learned_to_match_puts_pairs_first():
    """Pairs of one class differ in a latent of their own, which only regions and words together tell."""
    pairs = make_sequences(classes=3, per_class=40, seed=2)
    values = {"epochs": 60, "batch_size": 60, "learning_rate": 5e-3, "code_width": 16, "input_dropout": 0.0}
    method = fitted("attentionmatching", pairs, **values)
    own = np.arange(len(pairs))
    codes = method.encode_image(pairs.image), method.encode_text(pairs.text, pairs.text_mask)
    items = top_items(*codes, k=30)
    searching = np.broadcast_to(own[:, None], items.shape)
    scores = method.score(*features(pairs), image_rows=searching.ravel(), text_rows=items.ravel())
    again = rerank(rank(*codes, own, own), scores.reshape(items.shape))
    assert np.mean(again.ranks == 1) > 0.5, "of the training pairs; chance is .008"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"heads": 4}, "code_width 6 must be a multiple of heads 4"),
        ({"fusion": "gait"}, r"unknown fusion 'gait' \(did you mean 'gate'\?\)"),
        ({"pooling": "maxx"}, r"unknown pooling 'maxx' \(did you mean 'max'\?\)"),
        ({"matching_loss": "hinge"}, "unknown matching loss 'hinge'"),
        ({"group": 0}, "group must be positive, got 0"),
        ({"matching": -1.0}, "matching must not be negative"),
        ({"dropout": 1.0}, r"dropout 1.0 must lie in \[0, 1\)"),
        ({"batch_size": 1}, "needs batch_size of at least 2"),
    ],
)
def test_hyper_parameters_out_of_range_are_refused_before_training(values, message):
    method = make_method("attentionmatching", **SMALL["attentionmatching"] | values)
    with pytest.raises(ConfigError, match=message):
        method.check(PAIRS)


@pytest.mark.parametrize(
    ("group", "joint_pairs", "expected"), [(4, 50, 48), (4, 15, 16), (100, 10, 16 * 16), (1, 5, 5)]
)
def test_a_step_scores_no_more_pairs_than_allowed(monkeypatch, group, joint_pairs, expected):
    scored: list[int] = []
    plain = joint.JointTower.joint_scores

    class Counting(type(fitted("attentionmatching").network_)):
        def joint_scores(self, images, texts):
            scored.append(len(images.codes))
            return super().joint_scores(images, texts)

    monkeypatch.setattr("masln.models.attention_matching.AttentionMatchingNetwork", Counting)
    fitted("attentionmatching", group=group, joint_pairs=joint_pairs, epochs=1)
    assert plain is joint.JointTower.joint_scores and scored == [expected] * 2


def test_captions_of_one_picture_are_not_held_against_each_other():
    """All pairs show one picture: nothing is a negative, and nothing is learned from."""
    one = dataclasses.replace(PAIRS, image_paths=np.array(["a.jpg"] * len(PAIRS)))
    method = fitted("attentionmatching", one, epochs=1)
    assert method.history_[0]["matching"] == method.history_[0]["contrastive"] == 0
    assert fitted("attentionmatching", epochs=1).history_[0]["matching"] > 0


def test_a_reranker_can_be_made_of_it(method):
    score = Reranker(lambda images, texts: method.score(*features(PAIRS), image_rows=images, text_rows=texts), 4).score
    assert score(np.array([1, 2]), np.array([2, 1])).shape == (2,)
