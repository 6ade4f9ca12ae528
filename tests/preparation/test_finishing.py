"""A preparation that is killed at any step leaves a whole bundle or none, and the same command goes on."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest

from masln.data import read_bundle
from masln.errors import CheckpointError, DataError
from masln.features.journal import Journal
from masln.preparation import finishing, prepare, work_folder
from tests.conftest import ROOT
from tests.preparation.collection import hashes, make_collection, settings_of


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_killed_before_every_step_on_the_disk(tmp_path):
    program = [sys.executable, "-m", "tests.preparation.killed_at_every_step", str(tmp_path)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    steps = dict(line.split() for line in done.stdout.splitlines())
    assert int(steps["new"]) > 40 and int(steps["replacing"]) > int(steps["new"])


class TestKilledWhileTidyingUp:
    """The bundle has its name; a part of the work folder is still there."""

    @pytest.fixture
    def settings(self, tmp_path):
        return settings_of(tmp_path, make_collection(tmp_path, per_class=2))

    @pytest.fixture
    def cut_short(self, tmp_path, settings, monkeypatch):
        def stop(_work):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(finishing, "_remove", stop)
            with pytest.raises(KeyboardInterrupt):
                prepare(settings, tmp_path / "b")
        (journal,) = work_folder(tmp_path / "b").glob("image-*/image.journal")
        journal.with_name("image.npy").unlink()  # what a journal without its file would stop at
        return tmp_path / "b"

    def rest(self, tmp_path):
        return sorted(path.name for path in tmp_path.iterdir())

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_the_same_command_finds_it_done(self, tmp_path, settings, cut_short, monkeypatch, overwrite):
        made, told = hashes(cut_short), []
        with monkeypatch.context() as patch:
            patch.setattr(sys.modules["masln.preparation.prepare"], "extract", None)  # nothing is extracted again
            done = prepare(settings, cut_short, overwrite=overwrite, announce=told.append)
        assert hashes(cut_short) == made and self.rest(tmp_path) == ["b", "photos", "table.csv"]
        assert done == prepare(settings, cut_short, overwrite=True) and told == list(done.guesses) != []

    def test_another_command_is_told_that_the_bundle_exists(self, tmp_path, settings, cut_short):
        made = hashes(cut_short)
        with pytest.raises(DataError, match="b exists; choose another folder"):
            prepare(dataclasses.replace(settings, captions="first"), cut_short)
        assert hashes(cut_short) == made and self.rest(tmp_path) == ["b", "photos", "table.csv"]
        with pytest.raises(DataError, match="b exists; choose another folder"):
            prepare(settings, cut_short)

    def test_another_command_may_replace_it(self, settings, cut_short):
        prepare(dataclasses.replace(settings, captions="first"), cut_short, overwrite=True)
        assert read_bundle(cut_short, verify=True).manifest["recipe"]["captions"] == "first"

    def test_a_table_or_a_bundle_that_has_changed_since_is_not_what_was_made(self, tmp_path, settings, cut_short):
        with (cut_short / "manifest.json").open("a") as stream:
            stream.write(" ")
        with pytest.raises(DataError, match="b exists; choose another folder"):
            prepare(settings, cut_short)

    def test_while_it_is_tidied_up_nobody_else_does(self, settings, cut_short):
        lock = Journal(work_folder(cut_short) / finishing.LOCK, {"bundle": "b"})
        with lock, pytest.raises(CheckpointError, match="another process is writing"):
            prepare(settings, cut_short)


def test_a_bundle_that_appears_meanwhile_is_left_alone(tmp_path, monkeypatch):
    """Half an hour may pass between the first look and the last."""
    settings = settings_of(tmp_path, make_collection(tmp_path, per_class=2))
    other = prepare(settings, tmp_path / "other").folder
    fill = finishing.fill_bundle

    def fill_and_meet(folder, **content):
        fill(folder, **content)
        os.rename(other, tmp_path / "b")

    monkeypatch.setattr(finishing, "fill_bundle", fill_and_meet)
    with pytest.raises(DataError, match="b exists; choose another folder"):
        prepare(dataclasses.replace(settings, captions="first"), tmp_path / "b")
    assert read_bundle(tmp_path / "b").manifest["recipe"]["captions"] == "mean"


def test_a_disk_that_refuses_keeps_what_was_extracted(tmp_path, monkeypatch):
    settings = settings_of(tmp_path, make_collection(tmp_path, per_class=2))

    def refuse(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(finishing, "put_in_place", refuse)
        with pytest.raises(DataError, match=r"cannot write the bundle .*b: No space left on device"):
            prepare(settings, tmp_path / "b")
    work = work_folder(tmp_path / "b")
    assert list(work.glob("image-*/image.npy")) and not (work / "bundle").exists()
    prepare(settings, tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "photos", "table.csv"]
