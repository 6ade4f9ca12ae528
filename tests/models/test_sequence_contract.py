"""The contract that every method keeps which takes image regions and text tokens as they are."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from masln.data import PairedDataset, make_class_split
from masln.errors import DataError
from masln.evaluation import Protocol
from masln.experiments import fit_selected
from masln.models import DeepMethod, Method, load_method, make_method, method_resolver
from masln.training import Runtime
from tests.conftest import make_pairs, make_sequences
from tests.models.pooled import Pooled
from tests.models.test_method_contract import SMALL, assert_equal
from tests.training.toy import StopError, assert_same, crash_at

METHODS = sorted(name for name, cls in method_resolver.lookup_dict.items() if cls.takes_sequences)
DEEP = [name for name in METHODS if issubclass(method_resolver.lookup_dict[name], DeepMethod)]
CPU = Runtime(device="cpu")
PAIRS = make_sequences(classes=4, per_class=8)


@pytest.fixture(autouse=True)
def pooled(monkeypatch) -> None:
    """A method of the tests' own, so that the contract is tried whatever the package holds."""
    monkeypatch.setitem(method_resolver.lookup_dict, "pooled", Pooled)


@pytest.fixture(params=[*DEEP, "pooled"])
def name(request) -> str:
    return request.param


def make(name: str, **values: Any) -> Method:
    return make_method(name, **SMALL.get(name, {}) | values)


def codes(method: Method, pairs: PairedDataset) -> tuple[np.ndarray, np.ndarray]:
    return method.encode_image(pairs.image), method.encode_text(pairs.text, pairs.text_mask)


def with_garbage(pairs: PairedDataset, *, longer: int = 0) -> PairedDataset:
    """The same tokens, something else where there is none, and more such places."""
    text = np.pad(pairs.text, ((0, 0), (0, longer), (0, 0)))
    mask = np.pad(pairs.text_mask, ((0, 0), (0, longer)))
    text[~mask] = np.random.default_rng(5).normal(scale=100.0, size=(int((~mask).sum()), text.shape[2]))
    return dataclasses.replace(pairs, text=text, text_mask=mask)


def test_codes_are_those_of_the_tokens_whatever_stands_behind_them(name):
    method = make(name).fit(PAIRS, runtime=CPU)
    image, text = codes(method, PAIRS)
    assert image.dtype == text.dtype == np.float32 and image.shape == text.shape
    garbled = with_garbage(PAIRS, longer=3)
    np.testing.assert_allclose(method.encode_text(garbled.text, garbled.text_mask), text, rtol=1e-4, atol=1e-5)
    garbled.text[~garbled.text_mask] = np.nan
    np.testing.assert_allclose(method.encode_text(garbled.text, garbled.text_mask), text, rtol=1e-4, atol=1e-5)
    lengths = PAIRS.text_mask.sum(axis=1)
    for row in (int(np.argmin(lengths)), int(np.argmax(lengths))):  # unmasked: cut to its length
        cut = PAIRS.text[row : row + 1, : lengths[row]]
        alone = method.encode_text(cut, np.ones(cut.shape[:2], dtype=bool))
        np.testing.assert_allclose(alone, text[row : row + 1], rtol=1e-4, atol=1e-5)


def test_tokens_move_the_codes(name):
    method = make(name).fit(PAIRS, runtime=CPU)
    moved = PAIRS.text.copy()
    last = PAIRS.text_mask.sum(axis=1) - 1
    moved[np.arange(len(PAIRS)), last] += 5
    text = method.encode_text(moved, PAIRS.text_mask)
    assert (np.abs(text - codes(method, PAIRS)[1]).max(axis=1) > 1e-4).all(), "the last token of each counts"
    regions = PAIRS.image.copy()
    regions[:, -1] += 5
    assert (np.abs(method.encode_image(regions) - codes(method, PAIRS)[0]).max(axis=1) > 1e-4).all()


def test_training_does_not_look_behind_the_tokens(name):
    plain, garbled = (make(name).fit(pairs, runtime=CPU) for pairs in (PAIRS, with_garbage(PAIRS)))
    assert_equal(codes(plain, PAIRS), codes(garbled, PAIRS))


def test_global_features_are_sequences_of_length_one(name):
    pairs = make_pairs(classes=4, per_class=8)
    ones = dataclasses.replace(
        pairs, image=pairs.image[:, None], text=pairs.text[:, None], text_mask=np.ones((len(pairs), 1), dtype=bool)
    )
    as_rows, as_sequences = make(name).fit(pairs, runtime=CPU), make(name).fit(ones, runtime=CPU)
    for ours, theirs in zip(codes(as_rows, pairs), codes(as_sequences, ones), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_features_read_when_asked_for_give_the_same_weights(name, tmp_path):
    np.save(tmp_path / "image.npy", PAIRS.image)
    mapped = dataclasses.replace(PAIRS, image=np.load(tmp_path / "image.npy", mmap_mode="r"))
    straight = make(name).fit(PAIRS, runtime=CPU)
    streamed = make(name).fit(mapped, runtime=Runtime(device="cpu", memory_bytes=0))
    assert_equal(codes(streamed, mapped), codes(straight, PAIRS))


def test_save_and_load_give_equal_codes(name, tmp_path):
    method = make(name).fit(PAIRS, runtime=CPU)
    method.save(tmp_path)
    assert_equal(codes(load_method(tmp_path), PAIRS), codes(method, PAIRS))


def test_a_resumed_run_equals_the_straight_one_bit_for_bit(name, tmp_path):
    validation = make_sequences(classes=2, per_class=6, seed=1)
    straight = make(name, epochs=3, patience=2).fit(PAIRS, validation, runtime=CPU)
    files: dict[str, Any] = {"device": "cpu", "checkpoint": tmp_path / "c.pt", "checkpoint_seconds": 0.0}
    with pytest.raises(StopError):
        make(name, epochs=3, patience=2).fit(PAIRS, validation, runtime=Runtime(trackers=(crash_at(1),), **files))
    resumed = make(name, epochs=3, patience=2).fit(PAIRS, validation, runtime=Runtime(resume=True, **files))
    assert_same(resumed.network_, straight.network_)
    assert_equal(codes(resumed, PAIRS), codes(straight, PAIRS))


def test_a_checkpoint_belongs_to_its_mask_and_its_pictures(name):
    mask = dataclasses.replace(PAIRS, text_mask=np.ones_like(PAIRS.text_mask))
    pictures = dataclasses.replace(PAIRS, image_paths=np.array(["one.jpg"] * len(PAIRS)))
    found = [make(name).fingerprint(pairs, None, CPU) for pairs in (PAIRS, mask, pictures)]
    assert len(set(found)) == 3 and found[0] == make(name).fingerprint(PAIRS, None, CPU)


def test_selection_on_validation_classes_takes_sequences(name):
    split = make_class_split(PAIRS.class_names, seed=1)
    method, selection = fit_selected(
        name, SMALL.get(name, {}) | {"patience": 1}, PAIRS, split, protocol=Protocol(), runtime=CPU, seed=0
    )
    assert np.isfinite(selection.candidates[0]["validation_map"]) and codes(method, PAIRS)[1].shape[0] == len(PAIRS)


@pytest.mark.parametrize("name", [*METHODS, "pooled"])
def test_what_does_not_fit_is_refused_in_one_line(name):
    method = make(name).fit(PAIRS, runtime=CPU)
    cases = [
        (PAIRS.text, None, r"is a token sequence \(32, 7, 16\) and needs a text_mask of shape \(32, 7\)"),
        (PAIRS.text[:, 0], PAIRS.text_mask, "takes no text_mask; leave it out"),
        (PAIRS.text, PAIRS.text_mask & (np.arange(32) != 3)[:, None], "text row 3 has no token"),
        (PAIRS.text[:, None], PAIRS.text_mask, r"must be \(n, 16\) or \(n, tokens, 16\) as in training"),
    ]
    for X, mask, message in cases:
        with pytest.raises(DataError, match=message) as caught:
            method.encode_text(X, mask)
        assert "\n" not in str(caught.value)
    broken = PAIRS.text.copy()
    broken[7, 0, 2] = np.nan
    with pytest.raises(DataError, match="text feature row 7 is not finite"):
        method.encode_text(broken, PAIRS.text_mask)
    with pytest.raises(DataError, match=r"must be \(n, 24\) or \(n, regions, 24\) as in training, got \(32, 7, 16\)"):
        method.encode_image(PAIRS.text)
