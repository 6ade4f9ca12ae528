"""``masln data show`` and ``masln data check`` on a bundle with pictures, whole."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("imagehash")
from tests.inspection.gallery import copy_of, make_gallery, write_gallery


@pytest.fixture
def photos(tmp_path) -> Path:
    return tmp_path / "photos"


@pytest.fixture
def gallery(tmp_path, photos) -> str:
    return str(write_gallery(tmp_path / "gallery", make_gallery(photos)))


def test_check_finds_a_copy_across_the_split(masln, gallery, photos):
    report = json.loads(masln("data", "check", gallery, "--json").out)
    assert report["test_images_near_training"] == 0 and report["pairs"] == 24
    (photos / "0/3.png").unlink()
    copy_of(photos, "0/0.png", "0/3.png")
    report = json.loads(masln("data", "check", gallery, "--json").out)
    assert report["test_images_near_training"] == 1 and report["share_of_test_images_near_training"] == 1 / 6
    done = masln("data", "check", gallery)
    assert done.code == 0 and done.err == "" and "pair3 ~ pair0 (" in done.out


def test_check_elsewhere(masln, gallery, photos):
    moved = photos.rename(photos.with_name("moved"))
    done = masln("data", "check", gallery)
    assert f"not checked (no folder {photos} here; give --images DIR)" in done.out
    (moved / "0/1.png").write_bytes(b"?")
    report = json.loads(masln("data", "check", gallery, "--images", str(moved), "--json").out)
    assert report["test_images_near_training"] == 0
    assert len(report["pictures_not_read"]) == 1 and "0/1.png" in report["pictures_not_read"][0]


def test_show_writes_a_page_and_prints_the_counts(masln, gallery):
    done = masln("data", "show", gallery, "--out", "page.html", "--pairs", "2")
    assert done.code == 0 and done.err == ""
    assert "page: page.html (6 pairs, 0.0 MB)" in done.out and "class1" in done.out and "18" in done.out
    html = Path("page.html").read_text(encoding="utf-8")
    assert html.count("<img ") == 6
    quiet = masln("data", "show", gallery, "--out", "page.html", "--pairs", "2", "--overwrite", "--quiet")
    assert quiet.code == 0 and "page:" not in quiet.out and "class1" in quiet.out
    assert Path("page.html").read_text(encoding="utf-8") == html, "the same seed draws the same pairs"
    assert masln("data", "show", gallery, "--out", "other.html", "--pairs", "2", "--seed", "1").code == 0
    assert Path("other.html").read_text(encoding="utf-8") != html


def test_show_as_json(masln, gallery, photos):
    (photos / "0/0.png").unlink()
    value = json.loads(masln("data", "show", gallery, "--out", "page.html", "--pairs", "9", "--json").out)
    assert value["page"] == "page.html" and value["totals"] == {"train": 18, "validation": 0, "test": 6}
    assert value["counts"]["class0"]["test"] == 2 and value["shown"]["class2"] == [f"pair{n}" for n in range(16, 24)]
    assert value["notes"] == [] and "0/0.png" in value["pictures_not_read"][0]
    for path in photos.rglob("*.png"):
        path.write_bytes(b"")
    done = masln("data", "show", gallery, "--out", "page.html", "--pairs", "4", "--overwrite")
    assert done.code == 0 and done.out.count("not shown: ") == 5 and "7 more pictures are not shown" in done.out


def test_a_bundle_of_several_classes_a_pair(masln, tmp_path, photos):
    pairs = make_gallery(photos)
    sets = np.eye(3, dtype=bool)[pairs.labels]
    sets[0, 2] = True
    texts = pairs.texts.tolist()
    texts[0] = "class2 by the sea"
    several = dataclasses.replace(pairs, label_sets=sets, texts=np.array(texts))
    bundle = str(write_gallery(tmp_path / "several", several))
    report = json.loads(masln("data", "check", bundle, "--json").out)
    assert report["pairs"] == 24 and report["pairs_with_several_labels"] == 1
    assert report["texts_naming_their_class"] == 1 and report["test_images_near_training"] == 0
    value = json.loads(masln("data", "show", bundle, "--out", "page.html", "--pairs", "8", "--json").out)
    assert value["totals"] == {"train": 18, "validation": 0, "test": 6}
    assert value["carried"]["class2"]["train"] == 7 == value["counts"]["class2"]["train"] + 1
    assert Path("page.html").read_text(encoding="utf-8").count("<bdi>class2</bdi>") == 1
    shown = masln("data", "show", bundle, "--out", "page.html", "--overwrite")
    assert "carried in train" in shown.out and "1 pairs carry several classes" in shown.out


def test_show_of_the_bundled_set_says_why_there_is_no_picture(masln):
    done = masln("data", "show", "emoji", "--out", "page.html", "--pairs", "1")
    assert done.code == 0 and "no pictures: the bundle names no pictures" in done.out
    assert "the bundle names no pictures" in Path("page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "GALLERY"], "Missing option '--out'"),
        (["show", "emojy", "--out", "page.html"], "did you mean 'emoji'?"),
        (["show", "GALLERY", "--out", "page.html", "--pairs", "0"], "--pairs"),
        (["show", "GALLERY", "--out", "page.html", "--images", "absent"], "no such folder of images: absent"),
        (["show", "emoji", "--out", "page.html", "--images", "."], "names no pictures"),
        (["show", "GALLERY", "--out", "."], "is a folder; name a file in it"),
        (["check", "GALLERY", "--images", "absent"], "no such folder of images: absent"),
        (["check", "GALLERY", "--images", "."], "no image in it"),
        (["check", "emoji", "--images", "."], "names no pictures"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(masln, gallery, arguments, message):
    done = masln("data", *(gallery if word == "GALLERY" else word for word in arguments))
    assert done.code == 2 and done.out == "" and "Traceback" not in done.err
    (line,) = [line for line in done.err.splitlines() if line.startswith("Error: ")]
    assert message in line and list(Path.cwd().iterdir()) == []


def test_a_page_that_is_there_is_left_alone(masln, gallery):
    Path("page.html").write_text("mine")
    done = masln("data", "show", gallery, "--out", "page.html")
    assert done.code == 2 and "page.html exists; choose another --out, or give --overwrite" in done.err
    assert Path("page.html").read_text() == "mine"


def test_real_photos(masln, shared_data, tmp_path):
    """Photos of a published split: none is a copy; a test photo put into training under another size is found."""
    import csv
    import shutil

    from tests.preparation.collection import write_table

    with (shared_data / "rsicd" / "photos.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["class"] in ("Airport", "Beach")]
    folder = tmp_path / "some"
    folder.mkdir()
    for row in rows:
        shutil.copy(shared_data / "rsicd" / "photos" / row["image"], folder)
    kept = [next(row for row in rows if row["split"] == part) for part in ("test", "train")]
    rows.append({**kept[1], "image": "again.jpg"})
    copy_of(folder, kept[0]["image"], "again.jpg")
    table = write_table(tmp_path / "table.csv", rows)
    prepared = masln("prepare", "--images", str(folder), "--table", str(table), "--out", "some", "--quiet")
    assert prepared.code == 0, prepared.err
    report = json.loads(masln("data", "check", "some", "--json").out)
    assert report["test_images_near_training"] == 1 == report["near_duplicate_images"]
    (example,) = report["nearest_images_across_the_split"]
    assert example.startswith(f"{kept[0]['image']} ~ again.jpg (")
    assert masln("data", "show", "some", "--out", "page.html").code == 0
    assert Path("page.html").read_text(encoding="utf-8").count("data:image/jpeg;base64,") == 12
