"""Galleries on disk: built, added to, removed from, killed, and searched like a list in memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from masln.errors import CheckpointError, ConfigError, DataError, MissingExtraError
from masln.retrieval import Gallery, build_gallery, make_backend, milvus_client, read_codes
from masln.retrieval import faiss_backend as faiss_module
from tests.conftest import ROOT
from tests.preparation.collection import hashes
from tests.retrieval.synthetic import draw_codes, model_facts, write_drawn

EXACT = {"exact": ("exact", {}), "bf16": ("exact", {"precision": "bf16"}), "flat": ("faiss", {"index": "flat"})}
SERVER = os.environ.get("MASLN_MILVUS_URI", "")
BACKENDS = {
    **EXACT,
    "hnsw": ("faiss", {"index": "hnsw"}),
    "ivfpq": ("faiss", {"index": "ivfpq", "probes": 8}),
    "milvus": ("milvus", {}),
    "milvus-server": ("milvus", {"uri": SERVER}),
}


def backend_of(name):
    kind, options = BACKENDS[name]
    if kind == "faiss":
        pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    if kind == "milvus":
        pytest.importorskip("pymilvus", reason="pymilvus is not installed")
        pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")
    if name == "milvus-server" and not SERVER:
        pytest.skip("no server of Milvus to run on (set MASLN_MILVUS_URI to its address)")
    return make_backend(kind, **options)


@pytest.fixture(autouse=True)
def nothing_stays_open():
    yield
    for where in list(milvus_client._open):
        milvus_client.close_client(where)


def built(tmp_path, name="exact", **drawn):
    return build_gallery(write_drawn(tmp_path / "codes", **drawn), tmp_path / "gallery", backend=backend_of(name))


def found_ids(gallery, modality, codes, k=5, **options):
    rows, scores = gallery.search(modality, codes, k, **options)
    assert (np.diff(scores, axis=1)[rows[:, 1:] >= 0] <= 0).all()
    return [[item.id for item in gallery.side(modality).items(own[own >= 0].tolist())] for own in rows]


def cosine_order(codes, asked):
    unit = codes / np.linalg.norm(codes.astype(np.float64), axis=1)[:, None]
    return np.argsort(-(asked.astype(np.float64) @ unit.T), axis=1, kind="stable")


@pytest.mark.parametrize("name", BACKENDS)
def test_every_backend_finds_what_is_near(tmp_path, name):
    gallery = built(tmp_path, name, n=600)
    codes, asked = draw_codes(600), draw_codes(9, seed=5)
    ids = found_ids(gallery, "image", asked)
    expected = [[f"item{row}" for row in own[:5]] for own in cosine_order(codes, asked)]
    if name in EXACT:
        assert ids == expected
    else:
        shared = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(ids, expected, strict=True)])
        assert shared > 0.7
        assert gallery.sides["image"].recall > 0.7 and gallery.sides["text"].recall > 0.7
    assert found_ids(gallery, "text", codes[:3], k=1) == [["item0"], ["item1"], ["item2"]]
    assert len(gallery) == 1200


@pytest.mark.parametrize("name", BACKENDS)
def test_what_is_added_is_found_and_what_is_removed_is_not(tmp_path, name):
    gallery = built(tmp_path, name, n=300)
    more = write_drawn(tmp_path / "more", 20, seed=7, prefix="new", classes=("zebra",))
    assert gallery.add(more) == {"image": 20, "text": 20}
    asked = draw_codes(20, seed=7)
    assert found_ids(Gallery(gallery.folder), "image", asked, k=1) == [[f"new{row}"] for row in range(20)]
    assert gallery.class_names == ["cat", "dog", "zebra"]
    for ids in found_ids(gallery, "text", asked, classes=["zebra"], k=20):
        assert sorted(ids) == sorted(f"new{row}" for row in range(20))
    assert gallery.remove(ids=["new3", "item5"]) == {"image": 2, "text": 2}
    assert gallery.remove(classes=["dog"], modality="image") == {"image": 149}
    reopened = Gallery(gallery.folder)
    codes = np.concatenate([draw_codes(300), asked])
    names = [f"item{row}" for row in range(300)] + [f"new{row}" for row in range(20)]
    gone = {"new3", "item5"} | {f"item{row}" for row in range(1, 300, 2)}
    for ids, order in zip(found_ids(reopened, "image", asked, k=8), cosine_order(codes, asked), strict=True):
        assert not gone & set(ids) and len(ids) == 8
        expected = [names[row] for row in order if names[row] not in gone][:8]
        assert ids == expected if name in EXACT else len(set(ids) & set(expected)) >= 4
    info = reopened.info()
    assert info["sides"]["image"]["items"] == 320 - 151 and info["sides"]["image"]["classes"]["zebra"] == 19
    assert (info["sides"]["image"]["recall@10"] is None) == (name in ("exact", "bf16"))
    assert gallery.add(more, replace=True) == {"image": 20, "text": 20}
    assert found_ids(gallery, "image", asked[3:4], k=1) == [["new3"]] and len(gallery.side("image")) == 320 - 150


def test_a_removed_item_can_come_again(tmp_path):
    gallery = built(tmp_path, n=10, modalities=("image",))
    gallery.remove(ids=["item2"])
    again = write_drawn(tmp_path / "again", prefix="item2", modalities=("image",), values=draw_codes(1, seed=3))
    again.folder.joinpath("image.jsonl").write_text('{"id": "item2"}\n', encoding="utf-8")
    gallery.add(again)
    assert found_ids(gallery, "image", draw_codes(1, seed=3), k=1) == [["item2"]]
    with pytest.raises(DataError, match="the image 'item2' is in "):
        gallery.add(again)


def test_codes_of_another_model_are_refused(tmp_path):
    gallery = built(tmp_path)
    before = hashes(gallery.folder)
    other = write_drawn(tmp_path / "other", prefix="new", hash="b" * 64, run="runs/b")
    with pytest.raises(DataError, match=r"of cca of runs/b \(model bbbbbbbbbbbb\), the gallery's of cca of runs/a"):
        gallery.add(other)
    with pytest.raises(DataError, match="only codes of one model"):
        gallery.require(model_facts(hash="b" * 64), what="the query")
    assert hashes(gallery.folder) == before


def test_nothing_changes_where_a_change_fails(tmp_path):
    gallery = built(tmp_path)
    gallery.add(write_drawn(tmp_path / "first", 5, prefix="first"))
    before = {name: digest for name, digest in hashes(gallery.folder).items() if name != "lock.journal"}

    def unchanged():
        return {name: digest for name, digest in hashes(gallery.folder).items() if name != "lock.journal"} == before

    with pytest.raises(DataError, match=r"'first0' \(and 4 more\) is in .* already"):
        gallery.add(write_drawn(tmp_path / "same", 5, prefix="first", seed=9))
    broken = draw_codes(8)
    broken[3, 0] = np.nan
    with pytest.raises(DataError, match="the code of bad3 is not finite"):
        gallery.add(write_drawn(tmp_path / "broken", prefix="bad", values=broken))
    assert unchanged()
    twice = write_drawn(tmp_path / "twice", 4, prefix="x")
    twice.folder.joinpath("text.jsonl").write_text('{"id": "x"}\n' * 4, encoding="utf-8")
    with pytest.raises(DataError, match="text 'x' is there twice"):
        gallery.add(twice)
    for arguments, message in (
        ({"ids": ["nobody"]}, "no item 'nobody'"),
        ({"classes": ["catt"]}, "did you mean 'cat'"),
        ({}, "nothing to remove"),
    ):
        with pytest.raises(DataError, match=message):
            gallery.remove(**arguments)
    assert unchanged()


def test_a_gallery_appears_whole_or_not_at_all(tmp_path):
    gallery = built(tmp_path)
    codes = write_drawn(tmp_path / "more")
    with pytest.raises(DataError, match="exists"):
        build_gallery(codes, gallery.folder, backend=backend_of("exact"))
    bad = draw_codes(8)
    bad[0] = np.inf
    with pytest.raises(DataError, match="not finite"):
        build_gallery(write_drawn(tmp_path / "bad", values=bad), tmp_path / "second", backend=backend_of("exact"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "codes", "gallery", "more"]


def test_of_two_builds_at_once_one_is_told_to_wait(tmp_path, monkeypatch):
    """The second begins when the first has written its items; it must not touch them."""
    codes = write_drawn(tmp_path / "codes")
    inner, told = Gallery.add, []

    def add(self, added, **options):
        done = inner(self, added, **options)
        with pytest.raises(CheckpointError, match=r"another process is writing .*\.gallery\.building; wait for it"):
            build_gallery(codes, tmp_path / "gallery", backend=backend_of("exact"))
        told.append(sorted(path.name for path in self.folder.iterdir()))
        return done

    monkeypatch.setattr(Gallery, "add", add)
    gallery = build_gallery(codes, tmp_path / "gallery", backend=backend_of("exact"))
    assert told and "image-1" in told[0]
    assert found_ids(gallery, "image", draw_codes(40)[:2], k=1) == [["item0"], ["item1"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["codes", "gallery"]
    assert sorted(path.name for path in gallery.folder.iterdir()) == [
        "gallery.json",
        "image-1",
        "lock.journal",
        "text-1",
    ]


def test_what_a_killed_build_left_is_built_over(tmp_path):
    hidden = tmp_path / ".gallery.building"
    (hidden / "image-1").mkdir(parents=True)
    (hidden / "image-1" / "vectors.npy").write_bytes(b"half")
    (hidden / "gallery.json").write_text("{", encoding="utf-8")
    gallery = built(tmp_path)
    assert len(Gallery(gallery.folder)) == 80
    assert sorted(path.name for path in tmp_path.iterdir()) == ["codes", "gallery"]


def test_what_goes_wrong_once_the_change_is_made_takes_nothing_of_it_away(tmp_path, monkeypatch):
    """Ctrl-C, or a disk that refuses, between the manifest's new name and the end of the call."""
    gallery = built(tmp_path)
    more = write_drawn(tmp_path / "more", 5, seed=7, prefix="new")
    inner, loads = Gallery.load, []

    def load(self):
        loads.append(self)
        if len(loads) == 2:  # the first reads the gallery before the change
            raise KeyboardInterrupt
        inner(self)

    monkeypatch.setattr(Gallery, "load", load)
    with pytest.raises(KeyboardInterrupt):
        gallery.add(more)
    opened = Gallery(gallery.folder)
    assert len(opened) == 2 * 45
    assert found_ids(opened, "image", draw_codes(5, seed=7), k=1) == [[f"new{row}"] for row in range(5)]


def test_a_second_writer_waits_outside(tmp_path):
    gallery = built(tmp_path)
    more = write_drawn(tmp_path / "more", prefix="new")
    with gallery._writing(), pytest.raises(CheckpointError, match="another process is writing"):
        Gallery(gallery.folder).add(more)
    first, second = Gallery(gallery.folder), Gallery(gallery.folder)
    first.add(more)
    second.remove(ids=["new0"])  # sees what the first has added
    assert len(Gallery(gallery.folder)) == 2 * 80 - 2


def test_what_cannot_be_searched_is_told(tmp_path):
    gallery = built(tmp_path, modalities=("image",))
    asked = draw_codes(1)
    for arguments, message in (
        (("text", asked, 3), "has no texts to find, only 40 images"),
        (("image", asked[:, :5], 3), r"codes must be finite numbers \(m, 16\)"),
        (("image", asked, 0), "k must be at least 1"),
    ):
        with pytest.raises(DataError, match=message):
            gallery.search(*arguments)
    with pytest.raises(DataError, match="did you mean 'dog'"):
        gallery.search("image", asked, 3, classes=["dogg"])
    gallery.remove(classes=["dog"])
    with pytest.raises(DataError, match="no image of class dog"):
        gallery.search("image", asked, 3, classes=["dog"])
    with pytest.raises(DataError, match="is no gallery"):
        Gallery(tmp_path)


def ivfpq(tmp_path, n=600, **options):
    pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    codes = write_drawn(tmp_path / "codes", n, modalities=("image",))
    return build_gallery(codes, tmp_path / "gallery", backend=make_backend("faiss", index="ivfpq", **options))


def test_product_quantisation_finds_more_the_more_it_looks_at(tmp_path):
    """Recall as it is measured when built: of few cells and candidates little, of all of them everything."""
    recalls = []
    for number, options in enumerate(
        (
            {"cells": 20, "probes": 1, "candidates": 1, "subvectors": 2},
            {"cells": 20, "probes": 20, "candidates": 1, "subvectors": 2},
            {"cells": 20, "probes": 20, "candidates": 60, "subvectors": 2},
        )
    ):
        own = tmp_path / str(number)
        own.mkdir()
        gallery = ivfpq(own, **options)
        recalls.append(gallery.info()["sides"]["image"]["recall@10"])
    exact = build_gallery(read_codes(own / "codes"), own / "exact", backend=make_backend("exact"))
    assert recalls[0] < recalls[1] - 0.1 and recalls[1] < recalls[2] == 1
    asked = draw_codes(5, seed=3)
    for own, other in zip(gallery.search("image", asked, 7), exact.search("image", asked, 7), strict=True):
        np.testing.assert_array_equal(own, other)  # scores are exact too, not those of the quantiser


def test_product_quantisation_tells_what_it_cannot_learn_from(tmp_path):
    for number, (n, options, message) in enumerate(
        (
            (255, {}, "learns from 256 vectors or more, not 255; take index=hnsw"),
            (300, {"cells": 301}, "cells=301 but there are 300 vectors"),
            (300, {"subvectors": 5}, "subvectors=5 does not divide the width of the vectors, 16"),
        )
    ):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(ConfigError, match=message):
            ivfpq(tmp_path / str(number), n, **options)
        assert [path.name for path in (tmp_path / str(number)).iterdir()] == ["codes"]


def test_product_quantisation_keeps_what_it_learned_when_items_come_and_go(tmp_path):
    gallery = ivfpq(tmp_path, cells=4, probes=4, candidates=100)
    first = gallery.sides["image"].index.read_bytes()
    gallery.remove(ids=[f"item{row}" for row in range(0, 600, 2)])
    assert gallery.sides["image"].index.read_bytes() == first
    gallery.add(write_drawn(tmp_path / "few", 3, seed=7, prefix="new", modalities=("image",)))  # too few to learn from
    assert found_ids(gallery, "image", draw_codes(3, seed=7), k=1) == [["new0"], ["new1"], ["new2"]]
    [ids] = found_ids(gallery, "image", draw_codes(1), k=303)
    assert len(set(ids)) == 303 and "item0" not in ids and "item1" in ids and gallery.sides["image"].recall == 1


@pytest.mark.parametrize("name", ["exact", "flat"])
def test_damage_is_told(tmp_path, name):
    gallery = built(tmp_path, name)
    victim = gallery.folder / "image-1" / "vectors.npy"
    kept = victim.read_bytes()
    victim.write_bytes(kept[:-200])
    with pytest.raises(CheckpointError, match="image-1 is missing or damaged"):
        Gallery(gallery.folder)
    victim.write_bytes(kept)
    if name == "flat":
        (gallery.folder / "image-1.index").write_bytes(b"nothing")
        with pytest.raises(CheckpointError, match="cannot be read"):
            Gallery(gallery.folder).search("image", draw_codes(1), 3)
    manifest = gallery.folder / "gallery.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"format": 1', '"format": 9'), encoding="utf-8")
    with pytest.raises(CheckpointError, match="format 9"):
        Gallery(gallery.folder)


def test_backends_name_their_mistakes(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"unknown backend 'fais' \(did you mean 'faiss'"):
        make_backend("fais")
    with pytest.raises(ConfigError, match="unknown precision"):
        make_backend("exact", precision="int8").check()
    pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    with pytest.raises(ConfigError, match="learns from 256 vectors or more, not 40"):
        built(tmp_path, "ivfpq")
    for options, message in (
        ({"index": "tree"}, "unknown index"),
        ({"links": 1}, "links of the backend faiss must be at least 2"),
        ({"cells": -1}, "must not be negative"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_backend("faiss", **options).check()
    monkeypatch.setattr(faiss_module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'masln\[index\]'"):
        make_backend("faiss").check()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")
def test_killed_at_any_step_it_is_as_before_or_as_after(tmp_path):
    program = [sys.executable, "-m", "tests.retrieval.killed_at_every_step", str(tmp_path)]
    done = subprocess.run(program, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^bf16: \d\d kills, \d\d as before, \d as after$", done.stdout, flags=re.M), done.stdout
