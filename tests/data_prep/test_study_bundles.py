"""The bundles that benchmarks run on are made from the research folder as it is."""

from __future__ import annotations

import numpy as np

from benchmarks.datasets import research_bundles
from masln.data import find_bundle, read_bundle


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
