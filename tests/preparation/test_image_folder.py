"""Pictures by what a table calls them."""

from __future__ import annotations

import pytest

from masln.errors import DataError
from masln.preparation import ImageFolder
from tests.preparation.collection import draw


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png", "b.jpg", "cats/c.png", "cats/d.v2.png", "dogs/e.png", "dogs/a.png", "cats/e.png"):
        draw(tmp_path / "photos" / name, colour=1, number=1)
    draw(tmp_path / "outside.png", colour=1, number=1)
    return ImageFolder(tmp_path / "photos")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a.png", "a.png"),
        ("a", None),
        ("b.jpg", "b.jpg"),
        ("./a.png", "a.png"),
        ("cats/c.png", "cats/c.png"),
        ("cats\\c.png", "cats/c.png"),
        ("cats/c", "cats/c.png"),
        ("c.png", "cats/c.png"),
        ("c", "cats/c.png"),
        ("d.v2", "cats/d.v2.png"),
        ("dogs/a", "dogs/a.png"),
    ],
)
def test_found_where_only_one_can_be_meant(folder, name, path):
    if path is None:
        with pytest.raises(DataError, match=r"'a' could be a.png, dogs/a.png"):
            folder.find(name)
    else:
        assert folder.find(name) == path
        assert folder.find(str(folder.folder.absolute() / path)) == path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("b", "'b' could be b.jpg, b.png; give the path with its suffix"),
        ("e.png", "'e.png' could be cats/e.png, dogs/e.png"),
        ("f", "no image 'f' under"),
        ("cats", "no image 'cats' under"),
        ("../outside.png", "leads out of"),
        ("/etc/passwd", "lies outside"),
        ("x" * 5000, "is no file name (File name too long)"),
        ("a\0b", "a\\x00b"),
    ],
)
def test_refused_otherwise(folder, name, message):
    with pytest.raises(DataError) as caught:
        folder.find(name)
    assert message in str(caught.value)
