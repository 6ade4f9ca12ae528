"""From pictures and a table to a bundle: what is in it, what it was fitted on, the same bytes whatever happens."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from masln.data import make_class_split, read_bundle
from masln.errors import ConfigError, DataError, MaslnError, SplitError
from masln.features import load_extractor, make_extractor
from masln.preparation import prepare
from masln.preparation.prepare import work_folder
from tests.preparation.collection import CLASSES, PER_CLASS, draw, hashes, make_collection, settings_of, write_table


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


class TestErrors:
    """Every bad input ends in one line that says where, before a picture is encoded; or in a recorded skip."""

    def broken(self, tmp_path, rows, **change):
        return settings_of(tmp_path, [rows[0], rows[1] | change, *rows[2:]])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"image": "nowhere.png"}, "table.csv:3: no image 'nowhere.png' under"),
            ({"image": ""}, "table.csv:3: 'image' is empty"),
            ({"class": " "}, "table.csv:3: 'class' is empty"),
            ({"caption_1": " ", "caption_2": ""}, "table.csv:3: no text"),
            ({"caption_1": "b'bytes'"}, "table.csv:3: the text is bytes written as text"),
            ({"image": "../table.csv"}, "table.csv:3: the image '../table.csv' leads out of"),
        ],
    )
    def test_a_bad_row_fails_or_is_skipped(self, tmp_path, rows, change, message):
        settings = self.broken(tmp_path, rows, **change)
        with pytest.raises(DataError) as caught:
            prepare(settings, tmp_path / "b")
        assert message in str(caught.value) and "\n" not in str(caught.value)
        assert not (tmp_path / "b").exists() and not work_folder(tmp_path / "b").exists()
        done = prepare(dataclasses.replace(settings, on_error="skip"), tmp_path / "b")
        bundle = read_bundle(tmp_path / "b")
        assert len(bundle) == len(rows) - 1 and rows[1]["image"] not in bundle.ids
        (line,) = bundle.manifest["recipe"]["skipped"]
        assert message in line and done.skipped == (line,)

    def test_a_corrupt_picture_fails_and_mended_goes_on_or_is_skipped(self, tmp_path, rows):
        picture = tmp_path / "photos" / rows[1]["image"]
        whole = picture.read_bytes()
        picture.write_bytes(whole[: len(whole) // 2])
        settings = settings_of(tmp_path, rows, batch_size=1)
        with pytest.raises(DataError, match=r"cat1.png: damaged or truncated image"):
            prepare(settings, tmp_path / "b")
        prepare(dataclasses.replace(settings, on_error="skip"), tmp_path / "skipped")
        bundle = read_bundle(tmp_path / "skipped")
        (line,) = bundle.manifest["recipe"]["skipped"]
        assert "table.csv:3: " in line and "damaged or truncated image" in line
        picture.write_bytes(whole)
        prepare(settings, tmp_path / "b")
        prepare(settings, tmp_path / "straight")
        assert hashes(tmp_path / "b") == hashes(tmp_path / "straight")
        kept = read_bundle(tmp_path / "b")
        others = kept.ids != rows[1]["image"]
        np.testing.assert_array_equal(bundle.image, kept.image[others])
        assert (bundle.split == kept.split[others]).all(), "a skipped picture moves no other pair"

    def test_a_class_whose_test_pictures_are_all_skipped(self, tmp_path, rows):
        rows = [row | {"split": "test" if n % PER_CLASS == 0 else "train"} for n, row in enumerate(rows)]
        (tmp_path / "photos" / rows[0]["image"]).write_bytes(b"not a picture")
        with pytest.raises(SplitError, match=r"table\.csv: no test pair of class cat"):
            prepare(settings_of(tmp_path, rows, on_error="skip"), tmp_path / "b")

    @pytest.mark.parametrize(
        ("values", "kind", "message"),
        [
            ({"table": "nowhere.csv"}, DataError, "no such file or folder of texts: nowhere.csv"),
            ({"images": "nowhere"}, DataError, "no such folder of images: nowhere"),
            ({"image_extractor": "resnet-1"}, ConfigError, "unknown extractor 'resnet-1'"),
            ({"image_extractor": "tfidf"}, ConfigError, "extracts features of texts; of images: efficientnet-lite0"),
            ({"text_extractor": "efficientnet-lite0"}, ConfigError, "extracts features of images; of texts: "),
            ({"text_settings": {"poling": "sif"}}, ConfigError, "'poling' (did you mean 'pooling'?)"),
            ({"image_settings": {"layout": "rows"}}, ConfigError, "layout of efficientnet-lite0 must be one of"),
            ({"class_vectors": "nowhere.txt"}, DataError, "class vectors 'nowhere.txt': no such file"),
            ({"synonyms": "nowhere.csv"}, ConfigError, "no such file of synonyms: nowhere.csv"),
            ({"class_split": "listed"}, SplitError, "the listed rule needs the names"),
            ({"class_split": "listed", "listed": ("cta",)}, SplitError, "unknown class 'cta' (did you mean 'cat'?)"),
            ({"class_column": "clas"}, DataError, "unknown column 'clas'"),
            ({"split_column": "class"}, DataError, "for two things"),
        ],
    )
    def test_a_bad_setting(self, tmp_path, rows, values, kind, message):
        if "split_column" in values:
            values = values | {"class_column": "class"}
        with pytest.raises(kind) as caught:
            prepare(settings_of(tmp_path, rows, **values), tmp_path / "b")
        assert message in str(caught.value) and "\n" not in str(caught.value)
        assert not work_folder(tmp_path / "b").exists()

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"captions": "median"}, "unknown caption policy 'median'"),
            ({"dtype": "float64"}, "unknown dtype 'float64'"),
            ({"on_error": "ignore"}, "unknown way with errors 'ignore'"),
            ({"class_split": "randm"}, "unknown class split rule 'randm' (did you mean 'random'?)"),
            ({"batch_size": 0}, "batch_size must be at least 1"),
            ({"test_share": 1.5}, "test share 1.5 must lie between"),
        ],
    )
    def test_a_value_out_of_range(self, values, message):
        with pytest.raises(MaslnError) as caught:
            settings_of(Path("x"), **values)
        assert message in str(caught.value)

    def test_a_table_without_rows_or_a_folder(self, tmp_path, rows):
        (tmp_path / "table.csv").write_text("image,class,text\n")
        with pytest.raises(DataError, match=r"table.csv: no rows; one for each pair is needed"):
            prepare(settings_of(tmp_path), tmp_path / "b")
        with pytest.raises(DataError, match="photos: a folder; a table is needed"):
            prepare(settings_of(tmp_path, table=tmp_path / "photos"), tmp_path / "b")

    def test_one_class(self, tmp_path, rows):
        with pytest.raises(SplitError, match=r"table\.csv: only one class \(cat\)"):
            prepare(settings_of(tmp_path, rows[:PER_CLASS]), tmp_path / "b")

    def test_a_split_that_means_nothing(self, tmp_path, rows):
        rows = [row | {"split": "1"} for row in rows]
        with pytest.raises(DataError, match=r"table.csv:2: 'split' is '1'; write train, validation or test"):
            prepare(settings_of(tmp_path, rows), tmp_path / "b")
        prepare(settings_of(tmp_path, rows, split_column=""), tmp_path / "b", overwrite=True)

    def test_a_folder_that_is_there(self, tmp_path, rows):
        (tmp_path / "b").mkdir()
        with pytest.raises(DataError, match="exists; choose another folder"):
            prepare(settings_of(tmp_path, rows), tmp_path / "b")
        with pytest.raises(DataError, match="exists and is no bundle"):
            prepare(settings_of(tmp_path, rows), tmp_path / "b", overwrite=True)

    def test_texts_of_class_words_alone(self, tmp_path, rows):
        rows[0] |= {"caption_1": "cats", "caption_2": "Cat!"}
        settings = settings_of(tmp_path, rows, mask_class_words=True)
        with pytest.raises(DataError, match=r"table.csv:2: nothing is left of the text without class words"):
            prepare(settings, tmp_path / "b")
        done = prepare(dataclasses.replace(settings, on_error="skip"), tmp_path / "b")
        assert len(done.skipped) == 1

    def test_a_changed_picture_between_kill_and_resume_is_told(self, tmp_path, rows):
        (tmp_path / "photos" / rows[-1]["image"]).write_bytes(b"broken")
        with pytest.raises(DataError):
            prepare(settings_of(tmp_path, rows, batch_size=1), tmp_path / "b")
        draw(tmp_path / "photos" / rows[0]["image"], colour=2, number=77)
        with pytest.raises(MaslnError, match="were made from other items, or their files have changed"):
            prepare(settings_of(tmp_path, rows, batch_size=1), tmp_path / "b")


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
