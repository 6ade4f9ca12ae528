"""The bundles that benchmarks run on are made from the research folder as it is."""

from __future__ import annotations

import json

import numpy as np
from click.testing import CliRunner

from benchmarks.datasets import main, photo_bundles, research_bundles
from masln.cli import cli
from masln.data import find_bundle, read_bundle
from tests.preparation.collection import CLASSES, draw, write_table


def test_each_study_bundle(tmp_path, shared_data):
    made = research_bundles(shared_data, tmp_path)
    assert made.pop("emoji") == find_bundle("emoji")
    expected = {
        "wikipedia": (2866, 128, 10, 10, 693),
        "rsicd": (10921, 1280, 384, 31, 1093),
        "rsicd-bow": (10921, 1280, 1000, 31, 1093),
        "fashion": (4595, 1280, 488, 20, 914),
    }
    for name, folder in made.items():
        data = read_bundle(folder)
        found = (len(data), data.image.shape[1], data.text.shape[1], len(data.class_names), len(data.rows("test")))
        assert found == expected[name], name
        assert data.class_embeddings is not None and data.class_embeddings.shape[1] == 384
    assert (read_bundle(made["rsicd"]).split == "validation").sum() == 1094
    stamp = (made["rsicd"] / "manifest.json").stat().st_mtime_ns
    research_bundles(shared_data, tmp_path)  # what is there is kept
    assert (made["rsicd"] / "manifest.json").stat().st_mtime_ns == stamp
    with np.load(shared_data / "fashion" / "fashion.npz", allow_pickle=False) as raw:
        fashion = read_bundle(made["fashion"])
        np.testing.assert_array_equal(fashion.text, raw["text_bow_masked"])
        assert fashion.texts.tolist() == raw["raw_text"].tolist()


def draw_photos(folder) -> None:
    rows = []
    for colour, label in enumerate(CLASSES):
        for number, split in enumerate(("train", "test")):
            name = f"{label}{number}.jpg"
            captions = {f"caption_{n}": f"a {label} stands near {n} of {number} trees" for n in range(1, 6)}
            rows.append({"image": name, "class": label, "split": split} | captions)
            draw(folder / "photos" / name, colour=colour, number=number)
    write_table(folder / "photos.csv", rows)


def test_photos_as_sequences_and_as_their_means_go_through_the_house(tmp_path):
    draw_photos(tmp_path / "rsicd")
    done = CliRunner().invoke(
        main, ["--data-root", str(tmp_path), "--out", str(tmp_path / "b"), "--photos", "each"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    made = photo_bundles(tmp_path, tmp_path / "b")  # what is there is kept
    means, sequences = (read_bundle(folder) for folder in made.values())
    assert list(made) == ["photos-each", "photos-sequences-each"] and str(made["photos-each"]) in done.output
    assert sequences.image.shape == (40, 49, 1280) and sequences.text.shape == (40, 32, 50)
    assert means.image.shape == (40, 1280) and means.text.shape == (40, 50) and means.text_mask is None
    assert means.ids.tolist() == sequences.ids.tolist() and len(set(sequences.pictures.tolist())) == 8
    np.testing.assert_allclose(sequences.image.astype(float).mean(1), means.image, atol=5e-3)
    words = sequences.text.astype(float).sum(1) / sequences.text_mask.sum(1, keepdims=True)
    np.testing.assert_allclose(words, means.text, atol=5e-3)
    options = ["--method", "fusionembedding", "--no-select", "--set", "epochs=1", "--set", "width=8", "--device", "cpu"]
    options += ["--data", str(made["photos-sequences-each"]), "--relevance", "instance", "--split", "standard"]
    run = [*options, "--baselines", "chance", "--out", str(tmp_path / "run"), "--no-plots", "--json"]
    trained = CliRunner().invoke(cli, ["train", *run], catch_exceptions=False)
    assert trained.exit_code == 0, trained.output
    rows = {row["method"]: row for row in json.loads(trained.output)["rows"]}
    assert set(rows) == {"fusionembedding", "chance"}
    assert all(0 <= row["R@5"]["t2i"] <= 1 <= row["median_rank"]["i2t"] <= 10 for row in rows.values())
