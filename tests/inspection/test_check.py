"""Near-duplicates across the split, planted and found."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

pytest.importorskip("imagehash")
from masln.data import leakage_report, load_dataset
from masln.errors import MissingExtraError
from masln.inspection import check_dataset
from tests.inspection.gallery import copy_of, make_gallery

KEYS = ("repeated_in_training", "near_training")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "photos"


def test_a_clean_gallery_has_none(folder):
    gallery = make_gallery(folder)
    report = check_dataset(gallery)
    assert leakage_report(gallery).items() <= report.items()
    for modality in ("image", "text"):
        assert [report[f"test_{modality}s_{key}"] for key in KEYS] == [0, 0]
        assert report[f"share_of_test_{modality}s_near_training"] == 0 == report[f"near_duplicate_{modality}s"]
        assert report[f"nearest_{modality}s_across_the_split"] == []
    assert report["pictures_not_read"] == []


def test_copies_across_the_split_and_within_it_are_counted(folder):
    gallery = make_gallery(folder)
    paths, texts = gallery.image_paths.tolist(), gallery.texts.tolist()
    copy_of(folder, "0/0.png", "0/copy.jpg")
    copy_of(folder, "1/8.png", "1/copy.jpg")
    paths[3] = "0/copy.jpg"  # test, as row 0 of training but for scale and compression
    paths[7] = paths[8]  # test, the very picture of row 8 of training
    paths[9] = "1/copy.jpg"  # training, as row 8
    texts[11] = texts[0].upper() + " !"  # test
    texts[15] = texts[1] + "s"  # test
    texts[2] = texts[1] + " s"  # training
    changed = dataclasses.replace(gallery, image_paths=np.array(paths), texts=np.array(texts))
    report = check_dataset(changed)
    assert [report[f"test_images_{key}"] for key in KEYS] == [1, 2]
    assert report["share_of_test_images_near_training"] == 2 / 6 and report["near_duplicate_images"] == 3
    first, second = report["nearest_images_across_the_split"]
    assert first == "pair7 ~ pair8 (0 of 256 bits)" and second.startswith("pair3 ~ pair0 (")
    assert [report[f"test_texts_{key}"] for key in KEYS] == [1, 2]
    assert report["share_of_test_texts_near_training"] == 2 / 6 and report["near_duplicate_texts"] == 3
    first, second = report["nearest_texts_across_the_split"]
    assert first == "pair11 ~ pair0 (1.00)" and second.startswith("pair15 ~ pair1 (0.9")


def test_validation_counts_as_training(folder):
    gallery = make_gallery(folder)
    paths, split = gallery.image_paths.tolist(), gallery.split.tolist()
    paths[3], split[0] = paths[0], "validation"
    report = check_dataset(dataclasses.replace(gallery, image_paths=np.array(paths), split=np.array(split)))
    assert report["test_images_near_training"] == 1


def test_missing_and_damaged_pictures_are_named_and_left_out(folder):
    gallery = make_gallery(folder)
    (folder / "0/3.png").unlink()
    (folder / "0/1.png").write_bytes(b"")
    report = check_dataset(gallery)
    empty, missing = report["pictures_not_read"]
    assert "0/1.png: the file is empty" in empty and "no image '0/3.png' under" in missing
    assert report["test_images_near_training"] == 0
    paths = gallery.image_paths.tolist()
    paths[7] = paths[0]
    report = check_dataset(dataclasses.replace(gallery, image_paths=np.array(paths)))
    assert report["share_of_test_images_near_training"] == 1 / 5, "of the test pairs that could be compared"


def test_pictures_that_are_not_at_hand_are_not_zero(folder, monkeypatch):
    gallery = make_gallery(folder)
    elsewhere = dataclasses.replace(gallery, manifest={})
    report = check_dataset(elsewhere)
    assert report["test_images_near_training"] == "not checked (give --images DIR)"
    assert report["near_duplicate_images"] is None and report["pictures_not_read"] is None
    assert check_dataset(elsewhere, images=folder)["test_images_near_training"] == 0
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "imagehash", None)
        assert "pip install 'masln[features]'" in check_dataset(gallery)["test_images_near_training"]
        with pytest.raises(MissingExtraError, match="ImageHash"):
            check_dataset(gallery, images=folder)
    for file in folder.rglob("*.png"):
        file.write_bytes(b"?")
    report = check_dataset(gallery)
    assert report["test_images_near_training"] == "not checked (none of 24 pictures could be read)"
    assert len(report["pictures_not_read"]) == 24


def test_without_split_texts_or_test_pairs(folder):
    gallery = make_gallery(folder)
    report = check_dataset(dataclasses.replace(gallery, split=None, image_paths=np.array(["0/0.png"] * 24)))
    assert report["test_images_near_training"] is None and report["share_of_test_texts_near_training"] is None
    assert report["near_duplicate_images"] == 23 and report["near_duplicate_texts"] == 0
    report = check_dataset(dataclasses.replace(gallery, texts=None))
    assert report["test_texts_near_training"] == "not checked (no raw texts)"
    report = check_dataset(dataclasses.replace(gallery, split=np.array(["train"] * 24)))
    assert report["test_texts_near_training"] == 0 and report["share_of_test_texts_near_training"] is None


def test_texts_without_content_are_no_duplicates(folder):
    gallery = make_gallery(folder)
    report = check_dataset(dataclasses.replace(gallery, texts=np.array(["", "...", "!"] * 8)))
    assert report["test_texts_near_training"] == 0 == report["near_duplicate_texts"]
    assert report["share_of_test_texts_near_training"] is None


def test_sequence_features_and_one_class(folder):
    gallery = make_gallery(folder)
    sequences = dataclasses.replace(
        gallery,
        image=np.repeat(gallery.image[:, None], 3, axis=1),
        text=np.repeat(gallery.text[:, None], 2, axis=1),
        text_mask=np.ones((24, 2), dtype=bool),
        labels=np.zeros(24, dtype=int),
        class_names=("only",),
        class_embeddings=None,
    )
    assert check_dataset(sequences)["test_images_near_training"] == 0


def test_the_bundled_drawings_keep_their_texts_apart():
    report = check_dataset(load_dataset("emoji"))
    assert report["test_texts_near_training"] == 0
    assert report["near_duplicate_texts"] >= 872, "both drawings of a concept have one text"
    assert report["test_images_near_training"] == "not checked (the bundle names no pictures)"


def test_real_titles(shared_data):
    """A third of the test titles of the fashion set stand in training, most of them word for word."""
    with np.load(shared_data / "fashion" / "fashion.npz", allow_pickle=False) as arrays:
        titles, test = arrays["raw_text"], arrays["split"] == 1
    gallery = load_dataset("emoji")
    rows = np.arange(len(titles)) % len(gallery)
    fashion = dataclasses.replace(
        gallery.take(rows), ids=None, groups=None, texts=titles, split=np.where(test, "test", "train")
    )
    report = check_dataset(fashion)
    training = {title.lower() for title in titles[~test]}
    word_for_word = sum(title.lower() in training for title in titles[test])
    assert word_for_word <= report["test_texts_repeated_in_training"] < report["test_texts_near_training"] < 350
    assert word_for_word > 200
