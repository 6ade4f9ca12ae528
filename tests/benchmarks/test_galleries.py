"""The pieces that the figures of galleries stand on."""

from __future__ import annotations

import numpy as np

from benchmarks.galleries import codes_on_disk, tiled
from masln.retrieval import exact_top_k, stored_vectors
from masln.retrieval.top_k import Part


def test_copies_stay_nearer_to_their_own_code_than_to_another():
    codes = np.random.default_rng(0).normal(size=(60, 32)).astype(np.float32)
    found = list(tiled(codes, 200, np.random.default_rng(1)))
    assert [len(block) for block in found] == [60, 60, 60, 20]
    np.testing.assert_array_equal(found[0], stored_vectors(codes, "cosine"))
    copies = stored_vectors(np.concatenate(found[1:]), "cosine")
    nearest = exact_top_k(copies, [Part(found[0])], 1)[0][:, 0]
    assert (nearest == np.arange(60, 200) % 60).mean() > 0.99 and (copies[:60] != found[0]).any()


def test_drawn_codes_are_read_as_codes(tmp_path):
    values = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    codes = codes_on_disk(tmp_path / "codes", {"image": values})
    np.testing.assert_array_equal(codes.sets["image"].values, values)
    assert [item.id for item in codes.sets["image"].items] == [str(number) for number in range(9)]
