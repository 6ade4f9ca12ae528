"""What is Milvus's own: the embedded database and its lock, what a kill leaves, and addresses; see test_gallery.py."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest

from masln.errors import CheckpointError, ConfigError, DataError, MissingExtraError
from masln.retrieval import Gallery, build_gallery, make_backend, milvus_backend, milvus_client, read_codes
from tests.conftest import ROOT
from tests.retrieval.synthetic import draw_codes, write_drawn

pytest.importorskip("pymilvus", reason="pymilvus is not installed")
pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")
fcntl = pytest.importorskip("fcntl", reason="it locks files as Unix does")

KILLED_IN_FLUSH = """
import os, signal, sys
from pymilvus import MilvusClient
from masln.retrieval import Gallery, read_codes
MilvusClient.flush = lambda self, name: os.kill(os.getpid(), signal.SIGKILL)
Gallery(sys.argv[1]).add(read_codes(sys.argv[2]))
"""


@pytest.fixture(autouse=True)
def nothing_stays_open():
    yield
    for where in list(milvus_client._open):
        milvus_client.close_client(where)


def found(folder):
    gallery = Gallery(folder)
    asked = np.concatenate([draw_codes(4), draw_codes(4, seed=7)])
    return [[item.id for item in gallery.side("image").items(own)] for own in gallery.search("image", asked, 5)[0]]


def rows_in(folder):
    """How many rows there are of each call of ``add``, whether they count or not."""
    client = milvus_client.client_of(str((folder / "milvus.db").absolute()))
    [name] = client.list_collections()
    client.load_collection(name)
    rows = client.query(name, filter="row >= 0", output_fields=["part"], limit=1000)
    return sorted(np.unique([row["part"] for row in rows], return_counts=True)[1].tolist())


def test_what_a_kill_leaves_counts_for_nothing_and_is_deleted_by_the_next_change(tmp_path):
    codes = write_drawn(tmp_path / "codes", 60, modalities=("image",))
    folder = build_gallery(codes, tmp_path / "gallery", backend=make_backend("milvus")).folder
    more = write_drawn(tmp_path / "more", 9, seed=7, prefix="new", modalities=("image",))
    before = found(folder)
    Gallery(folder).backend.close(folder)
    program = [sys.executable, "-c", KILLED_IN_FLUSH, str(folder), str(more.folder)]
    done = subprocess.run(program, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert found(folder) == before and rows_in(folder) == [9, 60]
    Gallery(folder).remove(ids=["item59"])
    assert rows_in(folder) == [60]
    Gallery(folder).add(more)
    assert rows_in(folder) == [9, 60] and [own[0] for own in found(folder)[4:]] == [f"new{row}" for row in range(4)]


def test_an_add_that_fails_takes_its_rows_away_again(tmp_path, monkeypatch):
    codes = write_drawn(tmp_path / "codes", 30, modalities=("image",))
    gallery = build_gallery(codes, tmp_path / "gallery", backend=make_backend("milvus", index="flat"))
    more = write_drawn(tmp_path / "more", 9, seed=7, prefix="new", modalities=("image",))

    def broken(self, entries):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("masln.retrieval.change.Change._measure", broken)
        with pytest.raises(DataError, match="No space left on device; it is as it was"):
            gallery.add(more)
        assert rows_in(gallery.folder) == [30]
        with pytest.raises(DataError, match="No space left"):
            build_gallery(read_codes(more.folder), tmp_path / "second", backend=make_backend("milvus"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["codes", "gallery", "more"]


def test_an_embedded_database_that_another_process_has_open_is_told(tmp_path):
    codes = write_drawn(tmp_path / "codes", 20, modalities=("image",))
    gallery = build_gallery(codes, tmp_path / "gallery", backend=make_backend("milvus", index="flat"))
    gallery.backend.close(gallery.folder)
    more = write_drawn(tmp_path / "more", 5, prefix="new", modalities=("image",))
    with (gallery.folder / "milvus.db" / "LOCK").open("r+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        for call in (lambda: gallery.search("image", draw_codes(1), 3), lambda: gallery.add(more)):
            with pytest.raises(CheckpointError, match=r"another process has .*milvus.db open, and an embedded") as told:
                call()
            assert "\n" not in str(told.value) and "uri=http://HOST:19530" in str(told.value)
    assert len(found(gallery.folder)) == 8 and len(Gallery(gallery.folder)) == 20


def test_a_gallery_whose_database_is_gone_is_told(tmp_path):
    codes = write_drawn(tmp_path / "codes", 20, modalities=("image",))
    gallery = build_gallery(codes, tmp_path / "gallery", backend=make_backend("milvus", index="flat"))
    gallery.backend.close(gallery.folder)
    (gallery.folder / "milvus.db").rename(tmp_path / "elsewhere.db")
    with pytest.raises(CheckpointError, match=r"Milvus at .*milvus.db: .* build the gallery again$") as told:
        gallery.search("image", draw_codes(1), 3)
    assert "\n" not in str(told.value)


def test_mistakes_are_named(tmp_path, monkeypatch):
    for options, message in (
        ({"index": "tree"}, "unknown index of the backend milvus"),
        ({"links": 1}, "links of the backend milvus must be at least 2"),
        ({"uri": "here/milvus.db"}, "is no address of a server"),
        ({"uri": "http://me:secret@host:19530"}, "leave user and password out, set MASLN_MILVUS_TOKEN"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_backend("milvus", **options).check()
    monkeypatch.setattr(milvus_client, "_SECONDS", 0.2)
    codes = write_drawn(tmp_path / "codes", 5)
    with pytest.raises(
        CheckpointError, match=r"^Milvus at http://127.0.0.1:9: .* see that the server is there"
    ) as told:
        build_gallery(codes, tmp_path / "gallery", backend=make_backend("milvus", uri="http://127.0.0.1:9"))
    assert "\n" not in str(told.value) and [path.name for path in tmp_path.iterdir()] == ["codes"]
    monkeypatch.setattr(milvus_backend, "find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r"needs pymilvus, which is not installed: pip install 'masln\[milvus\]'"
    ):
        make_backend("milvus").check()
