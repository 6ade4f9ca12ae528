"""A bundle gets its name whole, and the one it replaces is never lost on the way."""

from __future__ import annotations

import os
import shutil

import pytest

from masln.data import load_dataset, put_back, put_in_place, read_bundle, write_bundle
from masln.data.bundle_folder import set_aside
from masln.errors import DataError
from tests.conftest import make_pairs

FACTS = {"licence": "CC0", "source": "drawn at random", "recipe": {"seed": 0}}


@pytest.fixture
def older(tmp_path):
    return write_bundle(tmp_path / "b", make_pairs(per_class=4), **FACTS)


@pytest.fixture
def newer(tmp_path):
    return write_bundle(tmp_path / "new", make_pairs(per_class=8), **FACTS)


@pytest.fixture
def between(older):
    """What a kill between the two renames leaves; tests/preparation/killed_at_every_step.py kills there."""
    os.replace(older, set_aside(older))
    return older


def test_a_bundle_is_replaced_and_nothing_is_left_of_the_older(tmp_path, older, newer):
    put_in_place(newer, older)
    assert len(read_bundle(older, verify=True)) == 48 and [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_rename_that_fails_leaves_the_older_in_its_place(tmp_path, older):
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "nowhere", older)
    assert len(read_bundle(older, verify=True)) == 24 and not set_aside(older).exists()


class TestKilledBetweenTheRenames:
    def test_the_older_is_put_back(self, between):
        put_back(between)
        assert len(read_bundle(between, verify=True)) == 24 and not set_aside(between).exists()
        put_back(between)
        assert between.exists()

    def test_whoever_looks_for_it_is_told_where_it_is(self, between):
        with pytest.raises(DataError, match=r"b was being replaced when a run was killed; .* rename .*\.b\.replaced"):
            load_dataset(between)

    def test_the_next_write_puts_it_back_first(self, between):
        with pytest.raises(DataError, match="b exists; choose another folder"):
            write_bundle(between, make_pairs(), **FACTS)
        assert len(read_bundle(between)) == 24
        write_bundle(between, make_pairs(per_class=2), **FACTS, overwrite=True)
        assert len(read_bundle(between)) == 12 and not set_aside(between).exists()

    def test_a_disk_that_refuses_is_one_line(self, between, monkeypatch):
        def refuse(*_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "replace", refuse)
        with pytest.raises(DataError, match=r"cannot rename .*\.b\.replaced.* to .*b: Permission denied") as caught:
            put_back(between)
        assert "\n" not in str(caught.value)


def test_what_is_left_of_a_removed_bundle_is_not_put_back(older, newer, monkeypatch):
    """A kill while the older one is removed, when the newer has its name; then somebody removes that."""
    rmtree = shutil.rmtree

    def stop(folder, ignore_errors):
        (folder / "labels.npy").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", stop)
        with pytest.raises(KeyboardInterrupt):
            put_in_place(newer, older)
    assert (set_aside(older) / "text.npy").exists() and len(read_bundle(older)) == 48
    rmtree(older)
    put_back(older)
    assert not older.exists() and not set_aside(older).exists()
