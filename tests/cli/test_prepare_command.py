"""``masln prepare``, whole: pictures and a table in, a bundle that ``masln train`` takes out."""

from __future__ import annotations

import csv
import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

from masln.data import read_bundle
from tests.conftest import ROOT
from tests.experiments.small import TINY
from tests.preparation.collection import CLASSES, hashes, make_collection, write_table

TRAIN = ["--no-plots", "--no-select", "--device", "cpu", *(w for k, v in TINY.items() for w in ("--set", f"{k}={v}"))]


@pytest.fixture
def collection(tmp_path) -> list[str]:
    """The arguments that every run needs."""
    write_table(tmp_path / "table.csv", make_collection(tmp_path, per_class=6))
    return ["--images", str(tmp_path / "photos"), "--table", str(tmp_path / "table.csv")]


def test_from_pictures_to_figures(masln, collection):
    done = masln("prepare", *collection, "--out", "mine")
    assert done.code == 0 and done.err == ""
    assert done.out.startswith(
        "guessed: image column image\nguessed: class column class\nguessed: text column caption_1"
    )
    assert done.out.rstrip().endswith("bundle: mine (24 pairs, 4 classes)")
    for name in (*CLASSES, "all"):
        assert name in done.out
    assert masln("data", "check", "mine").code == 0
    assert masln("data", "info", "mine", "--verify").code == 0
    trained = masln("train", "--data", "mine", "--out", "run", "--json", *TRAIN)
    assert trained.code == 0, trained.err
    rows = json.loads(trained.out)["rows"]
    assert {(row["part"], row["method"]) for row in rows} >= {
        (part, method) for part in ("seen", "unseen") for method in ("masln", "cca", "chance")
    }


def test_json_holds_everything_and_quiet_only_the_table(masln, collection):
    done = masln(
        "prepare", *collection, "--out", "mine", "--json", "--text-extractor", "tfidf", "--class-split", "parity"
    )
    value = json.loads(done.out)
    assert value["totals"] == {"train": 16, "validation": 0, "test": 8} and value["counts"]["cat"]["test"] == 2
    assert len(value["guesses"]) == 3 and value["skipped"] == [] and value["bundle"] == "mine"
    fitted = read_bundle("mine").manifest["recipe"]["text_extractor"]["fitted_on"]
    assert fitted["scope"] == "training pairs of seen classes" and fitted["texts"] == 2 * 4 * 2
    quiet = masln("prepare", *collection, "--out", "mine", "--quiet", "--overwrite", "--text-extractor", "word2vec")
    assert quiet.code == 0 and "guessed" not in quiet.out and "bundle:" not in quiet.out and "cat" in quiet.out


def test_the_class_split_is_the_one_of_train(masln, collection):
    Path("unseen.txt").write_text("dog\nsheep\n")
    options = ["--class-split", "listed:unseen.txt", "--seed", "3"]
    assert masln("prepare", *collection, "--out", "mine", "--text-extractor", "tfidf", *options).code == 0
    done = masln("train", "--data", "mine", "--out", "run", "--json", *TRAIN, *options)
    recipe = read_bundle("mine").manifest["recipe"]
    assert json.loads(done.out)["class_splits"] == [recipe["class_split"]["hash"]]


def test_label_sets_reach_the_bundle_and_the_figures(masln, tmp_path, collection):
    rows = make_collection(tmp_path, per_class=6)
    for number, row in enumerate(rows):
        row["all"] = row["class"] + ";sheep" * (number % 6 == 2 and row["class"] != "sheep")
    write_table(tmp_path / "table.csv", rows)
    done = masln("prepare", *collection, "--label-sets-column", "all", "--out", "mine")
    assert done.code == 0, done.err
    assert "3 pairs carry several classes (1.12 a pair)" in done.out
    assert read_bundle("mine").label_sets.sum() == 27
    trained = masln("train", "--data", "mine", "--out", "run", "--relevance", "shared-label", "--json", *TRAIN)
    assert trained.code == 0, trained.err
    assert json.loads(trained.out)["mixed_pairs"][0]["train"] + json.loads(trained.out)["mixed_pairs"][0]["test"] > 0


def test_settings_reach_the_extractors(masln, collection):
    settings = ["--image-set", "layout=regions", "--text-set", "layout=tokens", "--text-set", "max_tokens=4"]
    done = masln(
        "prepare", *collection, "--out", "mine", "--text-extractor", "word2vec", "--captions", "first", *settings
    )
    assert done.code == 0, done.err
    bundle = read_bundle("mine")
    assert bundle.image.shape[1:] == (49, 1280) and bundle.text.shape[1:] == (4, 50)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text-set", "layout"], "--text-set 'layout': write key=value, such as --text-set layout=tokens"),
        (["--image-set", "layot=regions"], "of efficientnet-lite0 'layot' (did you mean 'layout'?)"),
        (["--text-extractor", "sentense"], "unknown extractor 'sentense' (did you mean 'sentence'?)"),
        (["--class-column", "clas"], "unknown column 'clas' (did you mean 'class'?)"),
        (["--label-sets-column", "clas"], "unknown column 'clas' (did you mean 'class'?)"),
        (["--label-sets-column", "caption_1"], "lacks the row's main class"),
        (["--class-split", "listed:nowhere"], "class list nowhere"),
        (["--class-split", "odd"], "unknown class split rule 'odd'"),
        (["--test-share", "2"], "test share 2.0 must lie between 0 and 1"),
        (["--text-column", "image"], "no column is plainly the image"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(masln, collection, arguments, message):
    done = masln("prepare", *collection, "--out", "mine", *arguments)
    assert done.code == 2 and done.err.startswith("Error: ") and done.err.count("\n") == 1
    assert message in done.err and not Path("mine").exists()


def test_ctrl_c_is_one_line_that_says_how_to_go_on(masln, collection, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("masln.preparation.prepare", stop)
    done = masln("prepare", *collection, "--out", "mine")
    assert done.code == 2 and done.err.count("\n") == 1 and "by the same command" in done.err


def test_a_picture_that_pillow_warns_of_is_one_line_too(collection, tmp_path):
    """On a real terminal, as the warning would stand there: this one declares 100 million pixels, and has none."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    chunks = (
        struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + struct.pack(">I", 8) + b"IDAT" + bytes(8)
    )
    (tmp_path / "photos" / "cat0.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    command = [sys.executable, "-m", "masln", "prepare", *collection, "--text-extractor", "word2vec", "--out", "mine"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1, done.stderr
    assert "cat0.png: 10000 x 10000, larger than 64,000,000 pixels" in done.stderr and not (tmp_path / "mine").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_and_given_again_it_makes_the_same_bytes(tmp_path):
    """The whole command in a process of its own, killed while it extracts the pictures."""
    write_table(tmp_path / "table.csv", make_collection(tmp_path, per_class=40))
    command = [sys.executable, "-m", "masln", "prepare", "--images", "photos", "--table", "table.csv", "--name", "mine"]
    command += ["--text-extractor", "word2vec", "--batch-size", "2", "--quiet", "--out"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    options: dict[str, Any] = {"cwd": tmp_path, "env": environment, "text": True, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*command, "killed"], stdout=subprocess.PIPE, **options)
    deadline = time.monotonic() + 120

    def lines() -> int:
        found = list(tmp_path.glob(".killed.preparing/image-*/image.journal"))
        return found[0].read_text().count("\n") if found else 0

    while lines() < 2:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.005)  # polled, not waited out
    process.kill()
    process.communicate(timeout=120)
    (journal,) = tmp_path.glob(".killed.preparing/image-*/image.journal")
    assert process.returncode == -signal.SIGKILL and "finished" not in journal.read_text(), "killed too late"
    assert not (tmp_path / "killed").exists()
    for out in ("killed", "straight"):
        done = subprocess.run([*command, out], stdout=subprocess.PIPE, **options)
        assert done.returncode == 0, done.stderr
    assert hashes(tmp_path / "killed") == hashes(tmp_path / "straight")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "photos", "straight", "table.csv"]


def test_real_photos_to_seen_and_unseen_figures(masln, shared_data):
    photos = shared_data / "rsicd" / "photos"
    with (shared_data / "rsicd" / "photos.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    chosen: list[dict[str, str]] = []
    for name in ("Airport", "Beach", "DenseResidential", "Forest", "Mountain", "Parking"):
        for part, count in (("train", 8), ("test", 4)):
            chosen += [row for row in rows if (row["class"], row["split"]) == (name, part)][:count]
    write_table(Path("table.csv"), chosen)
    arguments = ["--images", str(photos), "--table", "table.csv", "--out", "rsicd", "--json"]
    prepared = json.loads(masln("prepare", *arguments).out)
    assert prepared["totals"]["train"] == 48 and 6 < prepared["totals"]["test"] <= 24
    done = masln("train", "--data", "rsicd", "--method", "cca", "--baselines", "chance", "--out", "run", "--json")
    assert done.code == 0, done.err
    figures = {(row["part"], row["method"]): row["average"] for row in json.loads(done.out)["rows"]}
    for part in ("seen", "unseen"):
        assert figures[part, "cca"] > figures[part, "chance"], "real features find real pairs"
