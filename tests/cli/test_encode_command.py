"""``masln encode``, as a user gives it."""

from __future__ import annotations

import json

import numpy as np


def test_pictures_and_texts_become_codes(masln, trained):
    done = masln("encode", str(trained.run), "--images", str(trained.photos), "--out", "codes", "--class", "zoo")
    assert done.code == 0 and "image" in done.out and "codes: codes, by cca" in done.out
    values = np.load("codes/image.npy", mmap_mode="r", allow_pickle=False)
    assert values.dtype == np.float32 and len(values) == 24
    columns = ["--text-column", "caption_1", "--class-column", "class", "--id-column", "image"]
    done = masln("encode", str(trained.run), "--texts", str(trained.table), "--out", "texts", "--json", *columns)
    value = json.loads(done.out)
    assert value["sets"] == [{"modality": "text", "codes": 24, "width": values.shape[1]}]
    assert value["model"]["method"] == "cca" and value["skipped"] == []
    done = masln("encode", str(trained.run), "--bundle", str(trained.bundle), "--part", "test", "--out", "b", "--quiet")
    assert done.code == 0 and "codes:" not in done.out


def test_mistakes_are_one_line(masln, trained):
    run, photos = str(trained.run), str(trained.photos)
    for arguments, message in (
        ([], "give one of --images, --texts, --bundle"),
        (["--images", photos, "--texts", "x.csv"], "not --images and --texts"),
        (["--images", photos, "--part", "test"], "--part goes with --bundle, not with --images"),
        (["--bundle", str(trained.bundle), "--class", "zoo"], "--class is the class of all items"),
        (["--images", "nowhere"], "no such folder of images: nowhere"),
    ):
        done = masln("encode", run, *arguments, "--out", "codes")
        assert done.code == 2 and message in done.err and done.err.count("\n") == 1, done.err
    assert masln("encode", "nowhere", "--images", photos, "--out", "codes").code == 2
