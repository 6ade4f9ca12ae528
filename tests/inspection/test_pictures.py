"""The folder of a bundle's pictures: named, recorded, gone, or none."""

from __future__ import annotations

import dataclasses
import shutil
import sys

import pytest

pytest.importorskip("PIL")
from masln.errors import ConfigError, DataError, MissingExtraError
from masln.inspection import find_pictures
from tests.inspection.gallery import make_gallery


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "photos"


def test_the_recorded_folder_and_another_one(folder, tmp_path):
    gallery = make_gallery(folder)
    pictures = find_pictures(gallery)
    assert pictures.path("0/3.png") == folder / "0/3.png" and not pictures.why_not and not pictures.asked
    shutil.copytree(folder, tmp_path / "moved")
    pictures = find_pictures(gallery, tmp_path / "moved")
    assert pictures.path("0/3.png") == tmp_path / "moved/0/3.png" and pictures.asked
    for bad in ("0/99.png", "../outside.png", "/etc/passwd"):
        with pytest.raises(DataError):
            pictures.path(bad)


def test_what_is_not_at_hand_is_said(folder, tmp_path, monkeypatch):
    gallery = make_gallery(folder)
    none = dataclasses.replace(gallery, image_paths=None)
    assert find_pictures(none).why_not == "the bundle names no pictures"
    with pytest.raises(ConfigError, match=r"gallery names no pictures.*leave --images out"):
        find_pictures(none, folder)
    for manifest in ({}, {"recipe": None}, {"recipe": {"images": ["a"]}}, {"recipe": "by hand"}):
        assert find_pictures(dataclasses.replace(gallery, manifest=manifest)).why_not == "give --images DIR"
    with pytest.raises(DataError, match="no such folder of images"):
        find_pictures(gallery, tmp_path / "nowhere")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "PIL", None)
        assert "pip install 'masln[features]'" in find_pictures(gallery).why_not
        with pytest.raises(MissingExtraError, match="pillow"):
            find_pictures(gallery, folder)
    for file in folder.rglob("*.png"):
        file.unlink()
    assert "no image in it" in find_pictures(gallery).why_not and "--images DIR" in find_pictures(gallery).why_not
    shutil.rmtree(folder)
    assert find_pictures(gallery).why_not == f"no folder {folder} here; give --images DIR"
