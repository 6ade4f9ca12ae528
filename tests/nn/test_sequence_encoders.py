"""Sequence parts: what is behind the mask changes nothing, and each does what its equation says."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from masln.errors import ConfigError
from masln.nn import (
    CONTEXTS,
    POOLINGS,
    AttentionPooling,
    BiLSTM,
    TransformerContext,
    as_sequence,
    build_pooling,
    build_sequence_encoder,
    sinusoidal_positions,
)

D, CODE, WIDTH = 5, 3, 8
LENGTHS = (1, 4, 2, 6)
LONGEST = max(LENGTHS)
PARTS = [*itertools.product(CONTEXTS, POOLINGS)]


def make(context: str, pooling: str, **values):
    torch.manual_seed(0)
    settings = {"width": WIDTH, "hidden": (7,), "layers": 2, "heads": 2, "dropout": 0.2}
    return build_sequence_encoder(context, D, CODE, pooling=pooling, **settings | values).eval()


def sequences(seed: int = 1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(length, D, generator=generator) for length in LENGTHS]


def padded(longer: int = 0, garbage: float = 0.0):
    """All sequences in one tensor, ``garbage`` times noise behind them, and their mask."""
    X = garbage * torch.randn(len(LENGTHS), LONGEST + longer, D, generator=torch.Generator().manual_seed(2))
    mask = torch.zeros(X.shape[:2], dtype=torch.bool)
    for row, own in enumerate(sequences()):
        X[row, : len(own)], mask[row, : len(own)] = own, True
    return X, mask


@pytest.mark.parametrize(("context", "pooling"), PARTS)
@pytest.mark.parametrize(("longer", "garbage"), [(0, 0.0), (0, 1e4), (5, 1e4), (5, float("inf"))])
def test_unmasked_equals_padded_and_masked(context, pooling, longer, garbage):
    encoder = make(context, pooling)
    alone = torch.cat([encoder(own[None]) for own in sequences()])
    together = encoder(*padded(longer, garbage))
    assert together.shape == (len(LENGTHS), CODE)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("context", "pooling"), PARTS)
def test_nothing_behind_the_mask_has_a_gradient_and_everything_before_it_has(context, pooling):
    encoder = make(context, pooling).train()
    X, mask = padded(longer=2, garbage=10.0)
    X.requires_grad_(True)
    (gradient,) = torch.autograd.grad(encoder(X, mask).square().sum(), X)
    assert not gradient[~mask].any()
    if pooling != "max" or context != "none":  # of the greatest values, some position may have none
        assert gradient[mask].abs().sum(dim=-1).gt(0).all()


@pytest.mark.parametrize(("context", "pooling"), PARTS)
def test_gradients_of_parameters_do_not_look_behind_the_mask(context, pooling):
    found = []
    for longer, garbage in ((0, 0.0), (4, 100.0)):
        encoder = make(context, pooling, dropout=0.0).train()
        encoder(*padded(longer, garbage)).square().sum().backward()
        found.append({name: p.grad for name, p in encoder.named_parameters()})
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize(("context", "pooling"), PARTS)
def test_a_row_is_a_sequence_of_one_position(context, pooling):
    encoder = make(context, pooling)
    X = torch.randn(3, D)
    torch.testing.assert_close(encoder(X), encoder(X[:, None], torch.ones(3, 1, dtype=torch.bool)))
    sequence, mask = as_sequence(X)
    assert sequence.shape == (3, 1, D) and mask.all() and mask.shape == (3, 1)


def test_positions_may_be_missing_anywhere():
    X, mask = torch.randn(2, 6, D), torch.tensor([[0, 1, 0, 1, 1, 0], [1, 1, 1, 1, 1, 1]], dtype=torch.bool)
    for pooling in POOLINGS:
        encoder = make("bilstm", pooling)
        torch.testing.assert_close(encoder(X, mask)[:1], encoder(X[:1, [1, 3, 4]]), rtol=1e-4, atol=1e-6)
    torch.manual_seed(0)
    lstm = BiLSTM(D, WIDTH).eval()
    states, alone = lstm(X, mask), lstm(X[:1, [1, 3, 4]], torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(states[:1, [1, 3, 4]], alone)
    assert not states[~mask].any(), "and each state stands where its word does"


def test_bilstm_is_torchs_own_read_both_ways():
    torch.manual_seed(0)
    ours = BiLSTM(D, WIDTH)
    X = torch.randn(3, 4, D)
    forwards, backwards = nn.LSTM(D, WIDTH // 2, batch_first=True), nn.LSTM(D, WIDTH // 2, batch_first=True)
    for name, value in ours.lstm.named_parameters():
        target = backwards if name.endswith("_reverse") else forwards
        getattr(target, name.removesuffix("_reverse")).data.copy_(value)
    expected = torch.cat([forwards(X)[0], backwards(X.flip(1))[0].flip(1)], dim=-1)
    torch.testing.assert_close(ours(X, torch.ones(3, 4, dtype=torch.bool)), expected)


def test_words_have_an_order_and_regions_have_none():
    X, mask = torch.randn(2, 4, D), torch.ones(2, 4, dtype=torch.bool)
    for context, positions, ordered in (
        ("transformer", True, True),
        ("transformer", False, False),
        ("bilstm", 1, True),
    ):
        encoder = make(context, "mean", positions=positions)
        assert torch.allclose(encoder(X, mask), encoder(X.flip(1), mask), atol=1e-5) is not ordered


def test_poolings_are_their_definitions():
    H, mask = padded(longer=3, garbage=50.0)
    own = sequences()
    torch.testing.assert_close(build_pooling("mean", D)(H, mask), torch.stack([each.mean(0) for each in own]))
    torch.testing.assert_close(build_pooling("max", D)(H, mask), torch.stack([each.max(0)[0] for each in own]))
    torch.manual_seed(0)
    attention = AttentionPooling(D)
    weights = attention.weights(H, mask)
    assert not weights[~mask].any()
    for row, each in enumerate(own):
        scores = torch.stack([attention.outer.weight[0] @ torch.tanh(attention.inner(h)) for h in each])
        expected = torch.softmax(scores, dim=0)
        torch.testing.assert_close(weights[row, : len(each)], expected)
        torch.testing.assert_close(attention(H, mask)[row], (expected[:, None] * each).sum(0))


def test_positions_are_those_of_the_paper():
    table = sinusoidal_positions(7, 6)
    for p, i in itertools.product(range(7), range(3)):
        angle = torch.tensor(p / 10000 ** (2 * i / 6))
        torch.testing.assert_close(table[p, 2 * i : 2 * i + 2], torch.stack([angle.sin(), angle.cos()]))
    assert sinusoidal_positions(4, 5).shape == (4, 5)


@pytest.mark.parametrize("context", ["bilstm", "transformer"])
def test_bfloat16_gives_finite_codes_near_the_others(context):
    encoder = make(context, "attention")
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        half = encoder(*padded(longer=2, garbage=10.0))
    torch.testing.assert_close(half.float(), encoder(*padded()), rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"context": "bilstn"}, r"unknown context 'bilstn' \(did you mean 'bilstm'\?\)"),
        ({"pooling": "men"}, r"unknown pooling 'men' \(did you mean 'mean'\?\)"),
        ({"context": "bilstm", "width": 7}, "an even width of at least 2, half for each direction, got 7"),
        ({"context": "transformer", "heads": 3}, "the width 8 of a transformer must be a multiple of its heads, got 3"),
        ({"layers": 0}, "layers of a sequence encoder must be positive, got 0"),
        ({"hidden": (0,)}, "width of a sequence encoder must be positive, got 0"),
        ({"dropout": 1.0}, r"dropout 1.0 must lie in \[0, 1\)"),
    ],
)
def test_what_cannot_be_is_refused(values, message):
    settings = {"context": "none", "pooling": "mean"} | values
    with pytest.raises(ConfigError, match=message):
        make(**settings)


def test_a_transformer_takes_any_length_also_longer_than_in_training():
    context = TransformerContext(D, WIDTH, heads=2).eval()
    assert context(torch.randn(1, 90, D), torch.ones(1, 90, dtype=torch.bool)).shape == (1, 90, WIDTH)
