"""From pictures and a table to a bundle: what is in it, what it was fitted on, the same bytes whatever happens."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from masln.data import make_class_split, read_bundle
from masln.errors import ConfigError, DataError, MaslnError
from masln.features import load_extractor, make_extractor
from masln.preparation import prepare
from masln.preparation.prepare import work_folder
from tests.preparation.collection import CLASSES, PER_CLASS, hashes, make_collection, settings_of, write_table


@pytest.fixture
def rows(tmp_path):
    return make_collection(tmp_path)


def test_the_bundle_holds_what_the_extractors_give(tmp_path, rows):
    done = prepare(settings_of(tmp_path, rows), tmp_path / "b")
    bundle = read_bundle(tmp_path / "b", verify=True)
    assert bundle.class_names == CLASSES and bundle.ids.tolist() == [row["image"] for row in rows]
    expected = make_extractor("efficientnet-lite0").transform([tmp_path / "photos" / row["image"] for row in rows])
    np.testing.assert_array_equal(bundle.image, expected)
    words = make_extractor("word2vec")
    texts = [words.transform([row["caption_1"], row["caption_2"]]).mean(axis=0, dtype=np.float64) for row in rows]
    np.testing.assert_array_equal(bundle.text, np.array(texts, dtype=np.float32))
    assert [bundle.class_names[label] for label in bundle.labels] == [row["class"] for row in rows]
    assert bundle.groups is None and bundle.image_paths.tolist() == bundle.ids.tolist()
    assert done.counts == {name: {"train": 3, "validation": 0, "test": 1} for name in CLASSES}
    assert [line.split(" column")[0] for line in done.guesses] == ["guessed: image", "guessed: class", "guessed: text"]
    assert done.skipped == () and not work_folder(tmp_path / "b").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "photos", "table.csv"]
    for modality, values in (("image", expected), ("text", None)):
        extractor = load_extractor(tmp_path / "b" / "extractors" / modality)
        assert extractor.hash == bundle.manifest["recipe"][f"{modality}_extractor"]["hash"]
        if values is not None:
            files = [tmp_path / "photos" / row["image"] for row in rows]
            np.testing.assert_array_equal(extractor.transform(files), values)


def test_twice_and_with_two_workers_the_same_bytes(tmp_path, rows):
    settings = settings_of(tmp_path, rows, batch_size=3)
    for name, workers in (("one", 1), ("two", 2), ("three", 1)):
        prepare(settings, tmp_path / name, workers=workers)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two") == hashes(tmp_path / "three")


@pytest.mark.parametrize("stage", ["caption_rows", "fitted", "gather_rows", "pool_rows", "counts_of", "finish"])
def test_stopped_at_any_stage_it_goes_on_to_the_same_bytes(tmp_path, rows, monkeypatch, stage):
    module = __import__("sys").modules["masln.preparation.prepare"]
    settings = settings_of(tmp_path, rows[:12], text_extractor="tfidf")
    prepare(settings, tmp_path / "straight")

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, stage, stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(settings, tmp_path / "b")
    assert work_folder(tmp_path / "b").is_dir() and not (tmp_path / "b").exists()
    prepare(settings, tmp_path / "b")
    assert hashes(tmp_path / "b") == hashes(tmp_path / "straight") and not work_folder(tmp_path / "b").exists()


def test_another_text_setting_costs_no_picture_again(tmp_path, rows, monkeypatch):
    settings = settings_of(tmp_path, rows, text_extractor="tfidf", text_settings={"min_texts": 99})
    with pytest.raises(MaslnError):
        prepare(settings, tmp_path / "b")
    extractor = type(make_extractor("efficientnet-lite0"))
    monkeypatch.setattr(extractor, "_forward", None)
    prepare(dataclasses.replace(settings, text_settings={}), tmp_path / "b")
    assert read_bundle(tmp_path / "b").text.shape[0] == len(rows)


class TestFittedOn:
    """A learning extractor sees training pairs alone, and of seen classes alone where a class split is given."""

    @pytest.fixture
    def own_words(self, rows):
        """Texts whose words tell their pair and their class."""
        for number, row in enumerate(rows):
            row |= {"caption_1": f"alpha of{row['class']} pair{number}", "caption_2": f"beta pair{number}"}
            row["split"] = "test" if number % PER_CLASS == 0 else "train"
        return rows

    def vocabulary(self, bundle):
        return set(load_extractor(bundle / "extractors" / "text").words_)

    def test_training_pairs(self, tmp_path, own_words):
        learns = {"text_extractor": "tfidf", "text_settings": {"min_texts": 1}}
        prepare(settings_of(tmp_path, own_words, **learns), tmp_path / "b")
        pairs = {f"pair{number}" for number in range(len(own_words)) if number % PER_CLASS}
        assert self.vocabulary(tmp_path / "b") == pairs | {"alpha", "beta"} | {f"of{name}" for name in CLASSES}
        record = read_bundle(tmp_path / "b").manifest["recipe"]["text_extractor"]
        assert record["fitted_on"] == {"scope": "training pairs", "texts": 2 * len(pairs), "class_split": None}
        assert record["name"] == "tfidf" and record["hyperparameters"]["min_texts"] == 1

    def test_training_pairs_of_seen_classes(self, tmp_path, own_words):
        learns = {"text_extractor": "tfidf", "text_settings": {"min_texts": 1}, "class_split": "random", "seed": 5}
        prepare(settings_of(tmp_path, own_words, **learns), tmp_path / "b")
        split = make_class_split(CLASSES, rule="random", seed=5)
        seen = {f"of{CLASSES[label]}" for label in split.seen}
        assert {word for word in self.vocabulary(tmp_path / "b") if word.startswith("of")} == seen
        recipe = read_bundle(tmp_path / "b").manifest["recipe"]
        assert recipe["class_split"]["hash"] == split.hash
        expected = {"scope": "training pairs of seen classes", "texts": 12, "class_split": split.hash}
        assert recipe["text_extractor"]["fitted_on"] == expected


class TestCaptions:
    def texts(self, tmp_path, rows, **values):
        prepare(settings_of(tmp_path, rows[:12], **values), tmp_path / "b")
        return read_bundle(tmp_path / "b")

    def test_first(self, tmp_path, rows):
        bundle = self.texts(tmp_path, rows, captions="first")
        assert bundle.texts.tolist() == [row["caption_1"] for row in rows[:12]]

    def test_concat(self, tmp_path, rows):
        bundle = self.texts(tmp_path, rows, captions="concat")
        expected = make_extractor("word2vec").transform([f"{row['caption_1']} {row['caption_2']}" for row in rows[:12]])
        np.testing.assert_array_equal(bundle.text, expected)

    def test_each_repeats_the_picture_and_parts_none(self, tmp_path, rows):
        bundle = self.texts(tmp_path, rows, captions="each")
        assert len(bundle) == 24 and bundle.ids[:3].tolist() == ["cat0.png#0", "cat0.png#1", "cat1.png#0"]
        np.testing.assert_array_equal(bundle.image[::2], bundle.image[1::2])
        assert (bundle.split[::2] == bundle.split[1::2]).all() and (bundle.groups[::2] == bundle.groups[1::2]).all()
        assert bundle.texts[1] == rows[0]["caption_2"]

    def test_gathered_rows_are_captions_of_one_pair(self, tmp_path, rows):
        apart = [
            {"image": row["image"], "class": row["class"], "caption": row[name]}
            for name in ("caption_1", "caption_2")
            for row in rows[:12]
        ]
        whole = self.texts(tmp_path, rows)
        prepare(settings_of(tmp_path, apart, gather=True), tmp_path / "c")
        bundle = read_bundle(tmp_path / "c")
        assert bundle.ids.tolist() == whole.ids.tolist() and bundle.texts.tolist() == whole.texts.tolist()
        np.testing.assert_array_equal(bundle.text, whole.text)
        apart[-1] |= {"class": "cat" if apart[-1]["class"] != "cat" else "dog"}
        with pytest.raises(DataError, match=r"table.csv:25: class of .* captions of one id must agree"):
            prepare(settings_of(tmp_path, apart, gather=True), tmp_path / "d")

    def test_masked(self, tmp_path, rows):
        bundle = self.texts(tmp_path, rows, captions="first", mask_class_words=True)
        assert bundle.texts[0] == "a small in the field number 0"

    def test_a_list_in_json(self, tmp_path, rows):
        records = [{"image": row["image"], "class": row["class"], "texts": [row["caption_1"]]} for row in rows]
        (tmp_path / "table.json").write_text(json.dumps(records))
        prepare(settings_of(tmp_path, table=tmp_path / "table.json"), tmp_path / "b")
        assert read_bundle(tmp_path / "b").texts[0] == rows[0]["caption_1"]

    def test_tokens_are_written_with_their_mask(self, tmp_path, rows):
        tokens = {"text_settings": {"layout": "tokens", "max_tokens": 5}, "image_settings": {"layout": "regions"}}
        bundle = self.texts(tmp_path, rows, captions="first", dtype="float16", **tokens)
        assert bundle.image.shape == (12, 49, 1280) and bundle.text.shape == (12, 5, 50)
        assert bundle.text_mask.shape == (12, 5) and bundle.image.dtype == bundle.text.dtype == np.float16
        with pytest.raises(ConfigError, match="take --captions first, concat or each"):
            prepare(settings_of(tmp_path, **tokens), tmp_path / "c")


def test_half_precision_is_that_of_the_single_one(tmp_path, rows):
    for dtype in ("float32", "float16"):
        prepare(settings_of(tmp_path, rows[:12], dtype=dtype), tmp_path / dtype)
    one, half = read_bundle(tmp_path / "float32"), read_bundle(tmp_path / "float16")
    np.testing.assert_array_equal(half.image, one.image.astype(np.float16))
    np.testing.assert_array_equal(half.text, one.text.astype(np.float16))


def test_pairs_of_one_picture_or_group_are_never_parted(tmp_path, rows):
    twice = [row | {"place": "" if n % 4 > 1 else row["class"]} for n, row in enumerate(rows)] + [
        row | {"caption_1": "another text", "place": ""} for row in rows[::2]
    ]
    for seed in range(3):
        settings = settings_of(tmp_path, twice, group_column="place", seed=seed, split_column="")
        prepare(settings, tmp_path / "b", overwrite=True)
        bundle = read_bundle(tmp_path / "b")
        for path in set(bundle.image_paths):
            assert len(set(bundle.split[bundle.image_paths == path])) == 1
        for name in CLASSES:
            rows_of = [n for n, row in enumerate(twice) if row["place"] == name]
            assert len(set(bundle.split[rows_of])) == 1 and len(set(bundle.groups[rows_of])) == 1
    assert bundle.ids.tolist() == [str(number) for number in range(len(twice))]


class TestClassVectors:
    def record(self, tmp_path, rows, **values):
        done = prepare(settings_of(tmp_path, rows, **values), tmp_path / "b", overwrite=True)
        bundle = read_bundle(tmp_path / "b")
        return bundle.manifest["recipe"]["class_vectors"], bundle.class_embeddings, done

    def test_auto_takes_glove_or_the_sentence_encoder(self, tmp_path, rows):
        record, vectors, _ = self.record(tmp_path, rows)
        assert record["kind"] == "glove" and vectors.shape == (4, 50)
        for row in rows:
            row["class"] = row["class"].replace("horse", "xqzzyhorse")
        record, vectors, done = self.record(tmp_path, rows)
        assert record["kind"] == "sentence" and vectors.shape == (4, 384)
        assert any("xqzzyhorse" in line for line in done.guesses)
        with pytest.raises(DataError, match="no word vector for 1 of 4 class names: 'xqzzyhorse'"):
            self.record(tmp_path, rows, class_vectors="glove")
        write_table(tmp_path / "synonyms.csv", [{"class": "xqzzyhorse", "text": "horse"}])
        record, _, _ = self.record(tmp_path, rows, class_vectors="glove", synonyms=tmp_path / "synonyms.csv")
        assert record["synonyms"]["file"] == "synonyms.csv"

    def test_none_and_a_file(self, tmp_path, rows):
        _, vectors, _ = self.record(tmp_path, rows, class_vectors="none")
        assert vectors is None
        (tmp_path / "v.txt").write_text("".join(f"{name} {n} 1\n" for n, name in enumerate(CLASSES)))
        record, vectors, _ = self.record(tmp_path, rows, class_vectors=str(tmp_path / "v.txt"))
        assert record["from"] == "v.txt" and vectors.tolist() == [[0, 1], [1, 1], [2, 1], [3, 1]]

    def test_a_folder_of_attributes(self, tmp_path, rows):
        folder = tmp_path / "attributes"
        folder.mkdir()
        (folder / "classes.txt").write_text("".join(f"{n} {name}\n" for n, name in enumerate(CLASSES, start=1)))
        (folder / "predicates.txt").write_text("1 furry\n2 big\n3 tame\n")
        matrix = folder / "predicate-matrix-continuous.txt"
        matrix.write_text("30 0 40\n-1 5 12\n0 0 7\n1 1 1\n")
        record, vectors, _ = self.record(tmp_path, rows, class_vectors=str(folder))
        assert record["kind"] == "attributes" and record["scaling"] == "rows of unit length"
        np.testing.assert_allclose(vectors, [[0.6, 0, 0.8], [0, 5 / 13, 12 / 13], [0, 0, 1], [3**-0.5] * 3], rtol=1e-6)
        matrix.write_text("30 0 40\n-1 0 0\n0 0 7\n1 1 1\n")
        with pytest.raises(DataError, match="no attribute above zero for dog"):
            self.record(tmp_path, rows, class_vectors=str(folder))


def test_notes_tell_what_may_be_a_mistake(tmp_path, rows):
    rows = [row | {"split": "test" if n % PER_CLASS == 0 else "train"} for n, row in enumerate(rows)]
    for row in rows[4:8]:
        row["class"] = "Cat"
    rows[9] |= {"caption_1": "xqzzy", "caption_2": "qqxyz"}
    for row in rows[12:]:
        row["split"] = "test"
    rows.append(rows[1] | {"caption_1": "the same picture again", "split": "test"})
    done = prepare(settings_of(tmp_path, rows), tmp_path / "b")
    assert done.notes == (
        "1 texts have no word that the extractor knows: their rows are zeros",
        "no training pair of sheep: these can be unseen classes only",
        "classes that differ in capitals alone: Cat, cat; are they one?",
        "1 groups or pictures stand in training and in test; see masln data check",
    )
    assert read_bundle(tmp_path / "b").manifest["recipe"]["text_extractor"]["rows_of_zeros"] == 1


def test_two_at_once_are_told(tmp_path, rows):
    from masln.features.journal import Journal

    settings = settings_of(tmp_path, rows)
    work_folder(tmp_path / "b").mkdir()
    with (
        Journal(work_folder(tmp_path / "b") / "lock.journal", {"bundle": "b"}),
        pytest.raises(MaslnError, match="another process is writing"),
    ):
        prepare(settings, tmp_path / "b")
