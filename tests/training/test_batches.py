from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from masln.nn import InputScaling
from masln.training import FeatureSource, PairBatches, scaled_bytes
from tests.conftest import make_pairs, make_sequences

PAIRS = make_sequences(classes=3, per_class=6)
CPU = torch.device("cpu")
ROWS = torch.tensor([16, 3, 9, 0])


def batches(memory_bytes: int, kind: str = "center-l2", pairs=PAIRS) -> PairBatches:
    scalings = InputScaling(kind, 24).fit(pairs.image), InputScaling(kind, 16).fit(pairs.text, pairs.text_mask)
    return PairBatches(pairs, *scalings, device=CPU, memory_bytes=memory_bytes)


@pytest.mark.parametrize("kind", ["none", "standardize", "center-l2", "pca:5"])
@pytest.mark.parametrize("memory_bytes", [0, 2**30])
def test_sequences_come_scaled_with_their_mask_and_zero_where_there_is_no_token(kind, memory_bytes):
    noisy = PAIRS.text.copy()
    noisy[~PAIRS.text_mask] = np.nan
    batch = batches(memory_bytes, kind, dataclasses.replace(PAIRS, text=noisy)).batch(ROWS)
    assert batch.image.shape[:2] == (4, 4) and batch.text.shape[:2] == (4, 7)
    mask = torch.from_numpy(PAIRS.text_mask)[ROWS]
    assert torch.equal(batch.text_mask, mask) and batch.text_inputs == (batch.text, batch.text_mask)
    assert torch.equal(batch.rows, ROWS)
    scaling = InputScaling(kind, 16).fit(PAIRS.text, PAIRS.text_mask)
    expected = scaling(torch.from_numpy(PAIRS.text)[ROWS])
    torch.testing.assert_close(batch.text[mask], expected[mask])
    assert not batch.text[~mask].any()


def test_global_features_come_without_a_mask():
    pairs = make_pairs(classes=3, per_class=6)
    batch = batches(2**30, pairs=pairs).batch(ROWS)
    assert batch.text_mask is None and len(batch.text_inputs) == 1


def test_every_position_counts_for_the_memory(tmp_path):
    image, text = InputScaling("none", 24), InputScaling("none", 16)
    size = scaled_bytes(PAIRS, image, text)
    assert size == 4 * 18 * (4 * 24 + 7 * 16)
    assert batches(size, "none").text.scaled is not None and batches(size - 1, "none").text.scaled is None
    np.save(tmp_path / "text.npy", PAIRS.text)
    mapped = FeatureSource(
        np.load(tmp_path / "text.npy", mmap_mode="r"), text, CPU, in_memory=False, mask=PAIRS.text_mask
    )
    features, mask = mapped.inputs(ROWS)
    assert torch.equal(features, batches(size, "none").text[ROWS]) and torch.equal(mask, mapped.mask_of(ROWS))
    assert len(mapped) == 18


def test_pairs_of_one_picture_are_known_by_their_number():
    paths = np.array([f"{number // 3}.jpg" for number in range(len(PAIRS))])
    batch = batches(2**30, pairs=dataclasses.replace(PAIRS, image_paths=paths)).batch(ROWS)
    assert (batch.pictures[:, None] == batch.pictures).tolist() == (paths[ROWS][:, None] == paths[ROWS]).tolist()
    assert len(set(batches(2**30).batch(ROWS).pictures.tolist())) == len(ROWS), "without paths each is its own"
