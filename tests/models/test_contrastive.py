"""InfoNCE, SigLIP, SupCon and Triplet: their losses, temperature and memory of earlier batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from masln.errors import ConfigError
from masln.losses import info_nce_loss, mined_triplet_loss, sigmoid_pairs_loss, supervised_contrastive_loss
from masln.models import DeepMethod, load_method, make_method
from masln.models.contrastive import ContrastiveNetwork
from masln.nn import CodeMemory, Remembered
from masln.training import Batch, Runtime
from tests.conftest import make_sequences
from tests.models.test_method_contract import assert_equal, codes
from tests.training.toy import StopError, assert_same

CPU = Runtime(device="cpu")
NAMES = ("infonce", "siglip", "supcon", "triplet")
SMALL: dict[str, Any] = {"code_width": 5, "hidden": (12,), "batch_size": 32, "epochs": 2}


def network(name: str, **values: Any) -> ContrastiveNetwork:
    torch.manual_seed(0)
    method = make_method(name, **SMALL | values)
    assert isinstance(method, DeepMethod)
    found = method._build(24, 16, 6, 10)
    assert isinstance(found, ContrastiveNetwork)
    return found


def batch(rows: range = range(12)) -> Batch:
    generator = torch.Generator().manual_seed(rows.start)
    image, text = (torch.randn(len(rows), width, generator=generator) for width in (24, 16))
    return Batch(image, text, torch.arange(len(rows)) % 4, None, rows=torch.tensor(rows))


def step(net: ContrastiveNetwork, pairs: Batch) -> Tensor:
    (objective,) = net.objectives(pairs, 0.0)
    assert torch.equal(objective.figures[net.figure], objective.loss)
    return objective.loss.detach()


LOSSES: dict[str, tuple[dict[str, Any], Any]] = {
    "infonce": (
        {"temperature": 0.2, "negatives": "top-k", "top_k": 3, "mask_same_class": True},
        lambda *codes, memory: info_nce_loss(
            *codes, scale=5.0, negatives="top-k", top_k=3, mask_same_class=True, memory=memory
        ),
    ),
    "siglip": (
        {"temperature": 0.2, "bias": -3.0, "negatives": "hardest", "mask_same_class": True},
        lambda *codes, memory: sigmoid_pairs_loss(
            *codes, scale=5.0, bias=-3.0, negatives="hardest", mask_same_class=True, memory=memory
        ),
    ),
    "supcon": (
        {"temperature": 0.2},
        lambda *codes, memory: supervised_contrastive_loss(*codes, scale=5.0, memory=memory),
    ),
    "triplet": (
        {"margin": 0.7, "negatives": "top-k", "top_k": 2, "mask_same_class": False},
        lambda *codes, memory: mined_triplet_loss(
            *codes, margin=0.7, negatives="top-k", top_k=2, mask_same_class=False, memory=memory
        ),
    ),
}


@pytest.mark.parametrize("memory", [0, 20])
@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_that_of_the_codes_and_of_what_is_remembered(name, memory):
    values, expected = LOSSES[name]
    net, first, second = network(name, memory=memory, **values), batch(), batch(range(6, 18))
    step(net, first)
    with torch.no_grad():
        image, text = net.encoders["image"](first.image), net.encoders["text"](first.text)
        own = net.encoders["image"](second.image), net.encoders["text"](second.text), second.labels
    # Pairs 6 to 11 are in the second batch too: their older codes are left out.
    older = Remembered(image[:6], text[:6], first.labels[:6]) if memory else None
    assert float(step(net, second)) == pytest.approx(float(expected(*own, memory=older)), rel=1e-5)
    with_nothing = float(expected(*own, memory=None))
    assert (float(expected(*own, memory=older)) != pytest.approx(with_nothing, rel=1e-5)) == bool(memory)


def test_every_candidate_of_the_class_may_be_a_positive():
    net, pairs = network("triplet", class_positives=True, negatives="all"), batch()
    own = net.encoders["image"](pairs.image), net.encoders["text"](pairs.text), pairs.labels
    expected = mined_triplet_loss(*own, margin=0.2, negatives="all", class_positives=True)
    assert float(step(net, pairs)) == pytest.approx(float(expected.detach()), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_of_sequences_does_not_depend_on_their_padding(name):
    net, pairs = network(name), batch()
    words, mask = torch.randn(12, 3, 16), torch.ones(12, 3, dtype=torch.bool)
    plain = step(net, pairs._replace(text=words, text_mask=mask))
    padded = pairs._replace(
        text=torch.nn.functional.pad(words, (0, 0, 0, 2)), text_mask=torch.nn.functional.pad(mask, (0, 2))
    )
    assert float(step(net, padded)) == pytest.approx(float(plain), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_codes_have_length_one(name, pairs):
    method = make_method(name, **SMALL).fit(pairs, runtime=CPU)
    for found in codes(method, pairs):
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("name", ["infonce", "siglip", "supcon"])
def test_a_temperature_is_learned_or_stays(name, pairs):
    for learned in (True, False):
        method = make_method(name, **SMALL, temperature=0.2, learn_temperature=learned).fit(pairs, runtime=CPU)
        scale = float(method.network_.logit_scale().detach())
        assert (scale == pytest.approx(5.0, rel=1e-6)) != learned


@pytest.mark.parametrize("name", NAMES)
def test_a_run_stopped_within_an_epoch_goes_on_with_its_memory_bit_for_bit(name, pairs, tmp_path, monkeypatch):
    """Four batches an epoch, and a memory that does not divide them: the pointer stands anywhere."""
    values = SMALL | {"epochs": 3, "memory": 50, "batch_size": 32}
    if name != "triplet":
        values["learn_temperature"] = True
    straight = make_method(name, **values).fit(pairs, runtime=CPU)
    recall, calls = CodeMemory.recall, []

    def stopping(memory: CodeMemory, *, without: Tensor) -> Remembered:
        calls.append(len(memory))
        if len(calls) == 7:
            raise StopError
        return recall(memory, without=without)

    files: dict[str, Any] = {"device": "cpu", "checkpoint": tmp_path / "c.pt", "checkpoint_seconds": 0.0}
    with monkeypatch.context() as patch, pytest.raises(StopError):
        patch.setattr(CodeMemory, "recall", stopping)
        make_method(name, **values).fit(pairs, runtime=Runtime(**files))
    assert calls[0] == 0 and calls[-1] == 50
    resumed = make_method(name, **values).fit(pairs, runtime=Runtime(resume=True, **files))
    assert_same(resumed.network_, straight.network_)
    assert 0 < int(resumed.network_.memory.pointer) < 50 and len(resumed.network_.memory) == 50
    assert_equal(codes(resumed, pairs), codes(straight, pairs))
    assert resumed.history_ == straight.history_


def test_the_memory_survives_saving_and_is_of_no_use_to_codes(pairs, tmp_path):
    method = make_method("supcon", **SMALL, memory=45).fit(pairs, runtime=CPU)
    method.save(tmp_path)
    loaded = load_method(tmp_path)
    assert_same(loaded.network_, method.network_)
    loaded.network_.memory.first.zero_()
    assert_equal(codes(loaded, pairs), codes(method, pairs))


def test_what_is_remembered_are_the_codes_of_the_last_pairs(pairs):
    """With a rate of next to nothing the codes do not move while they are remembered."""
    values = SMALL | {"epochs": 1, "memory": 50, "learning_rate": 1e-12, "weight_decay": 0.0}
    method = make_method("infonce", **values).fit(pairs, runtime=CPU)
    kept = method.network_.memory
    rows = kept.rows.numpy()
    assert sorted(rows.tolist()) == sorted(method.plan().order(len(pairs), 0)[-50:].tolist())
    image, text = codes(method, pairs)
    np.testing.assert_allclose(kept.first.numpy(), image[rows], atol=1e-5)
    np.testing.assert_allclose(kept.second.numpy(), text[rows], atol=1e-5)
    np.testing.assert_array_equal(kept.labels.numpy(), pairs.labels[rows])


@pytest.mark.parametrize(
    ("context", "pooling", "order_counts"),
    [("transformer", "mean", True), ("bilstm", "attention", True), ("none", "max", False)],
)
def test_words_are_read_in_context_and_in_order_regions_as_a_set(context, pooling, order_counts):
    pairs = make_sequences(classes=4, per_class=8)
    values = SMALL | {"context": context, "context_width": 8, "context_heads": 2, "pooling": pooling}
    method = make_method("infonce", **values, memory=20).fit(pairs, runtime=CPU)
    text = method.encode_text(pairs.text, pairs.text_mask)
    longer = np.pad(pairs.text, ((0, 0), (0, 3), (0, 0)), constant_values=7.0)
    found = method.encode_text(longer, np.pad(pairs.text_mask, ((0, 0), (0, 3))))
    np.testing.assert_allclose(found, text, rtol=1e-4, atol=1e-5)
    backwards = method.encode_text(pairs.text[:, ::-1].copy(), pairs.text_mask[:, ::-1].copy())
    assert (np.abs(backwards - text).max() > 1e-3) == order_counts
    if context != "bilstm":
        regions = method.encode_image(pairs.image[:, ::-1].copy())
        np.testing.assert_allclose(regions, method.encode_image(pairs.image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        *((name, {"memory": -1}, "memory must not be negative, got -1") for name in NAMES),
        ("infonce", {"negatives": "semi-hard"}, "unknown negatives 'semi-hard' .*known: all, hardest, top-k"),
        ("siglip", {"negatives": "hard"}, "unknown negatives 'hard'"),
        ("infonce", {"temperature": 0.0}, r"temperature must be positive, got 0\.0"),
        ("supcon", {"temperature": 1e-3}, r"temperature must be at least 0\.01, got 0\.001"),
        ("triplet", {"negatives": "hardst"}, r"unknown negatives 'hardst' \(did you mean 'hardest'\?\)"),
        ("triplet", {"negatives": "top-k", "top_k": 0}, "top_k must be at least 1, got 0"),
        ("triplet", {"margin": -0.1}, r"margin must not be negative, got -0\.1"),
        ("supcon", {"context": "lstm"}, r"unknown context 'lstm' \(did you mean 'bilstm'\?\)"),
        ("supcon", {"pooling": "men"}, r"unknown pooling 'men' \(did you mean 'mean'\?\)"),
        ("supcon", {"context": "transformer", "context_heads": 3}, "must be a multiple of its heads, got 3"),
        ("triplet", {"batch_size": 1}, "Triplet needs batch_size of at least 2, got 1"),
    ],
)
def test_bad_hyper_parameters_are_refused_in_one_line(name, values, message, pairs):
    with pytest.raises(ConfigError, match=message) as caught:
        make_method(name, **SMALL | values).check(pairs)
    assert "\n" not in str(caught.value)
