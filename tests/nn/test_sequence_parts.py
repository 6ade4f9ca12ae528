"""Attention, fusion and pooling of sequences: against torch, by hand, and padded against unpadded."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from masln.errors import ConfigError
from masln.nn import FUSIONS, POOLINGS, CrossAttention, SelfAttention, SequenceFusion, SequencePooling

WIDTH = 8


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def padded(sequences: list[torch.Tensor], length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Sequences of their own lengths in one tensor, large garbage behind each, and the mask of what is theirs."""
    together = 1e3 * torch.randn(len(sequences), length, WIDTH)
    mask = torch.zeros(len(sequences), length, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        together[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = True
    return together, mask


def draw(*lengths: int) -> list[torch.Tensor]:
    return [torch.randn(length, WIDTH) for length in lengths]


@pytest.mark.parametrize("kind", POOLINGS)
@pytest.mark.parametrize("length", [5, 9])
def test_pooling_padded_equals_unpadded(kind, length):
    pooling, sequences = SequencePooling(kind, WIDTH), draw(5, 1, 3)
    found = pooling(*padded(sequences, length))
    for row, sequence in zip(found, sequences, strict=True):
        torch.testing.assert_close(row, pooling(sequence[None])[0])


@pytest.mark.parametrize("kind", POOLINGS)
def test_pooling_ignores_what_is_not_even_a_number(kind):
    together, mask = padded(draw(4, 2), 6)
    expected = SequencePooling(kind, WIDTH).eval()
    broken = together.masked_fill(~mask[..., None], torch.nan)
    torch.testing.assert_close(expected(broken, mask), expected(together, mask))


def test_poolings_are_what_they_say():
    (sequence,) = draw(6)
    torch.testing.assert_close(SequencePooling("max", WIDTH)(sequence[None])[0], sequence.max(dim=0).values)
    torch.testing.assert_close(SequencePooling("mean", WIDTH)(sequence[None])[0], sequence.mean(dim=0))
    pooling = SequencePooling("attention", WIDTH)
    first, _, last = pooling.relevance
    scores = [last.weight[0] @ torch.tanh(first.weight @ x + first.bias) for x in sequence]
    weights = torch.softmax(torch.stack(scores), dim=0)
    torch.testing.assert_close(pooling(sequence[None])[0], weights @ sequence)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("length", [5, 9])
def test_self_attention_padded_equals_unpadded(mode, length):
    attention = SelfAttention(WIDTH, 2)
    attention.train(mode == "train")
    sequences = draw(5, 1, 3)
    with torch.set_grad_enabled(mode == "train"):  # without gradients torch takes another, fused path
        found = attention(*padded(sequences, length))
        for row, sequence in zip(found, sequences, strict=True):
            torch.testing.assert_close(row[: len(sequence)], attention(sequence[None])[0], rtol=1e-4, atol=1e-5)


def as_torch(attention: CrossAttention) -> nn.MultiheadAttention:
    """torch's own module of the same weights; its last projection does nothing."""
    own = nn.MultiheadAttention(WIDTH, attention.heads, batch_first=True)
    with torch.no_grad():
        parts = (attention.query, attention.key, attention.value)
        own.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        own.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        own.out_proj.weight.copy_(torch.eye(WIDTH))
        own.out_proj.bias.zero_()
    return own


@pytest.mark.parametrize("heads", [1, 4])
def test_cross_attention_equals_torchs_own(heads):
    attention = CrossAttention(WIDTH, heads)
    looking, (other, mask) = torch.randn(3, 4, WIDTH), padded(draw(6, 2, 3), 6)
    expected, weights = as_torch(attention)(
        looking, other, other, key_padding_mask=~mask, need_weights=True, average_attn_weights=False
    )
    torch.testing.assert_close(attention(looking, other, mask), expected, rtol=1e-4, atol=1e-5)
    found = attention.weights(attention.queries(looking), attention.keys_values(other).keys, mask)
    torch.testing.assert_close(found, weights, rtol=1e-4, atol=1e-5)
    assert not found.masked_select(~mask[:, None, None]).any()


@pytest.mark.parametrize("length", [5, 9])
def test_cross_attention_padded_equals_unpadded_on_either_side(length):
    attention, words, regions = CrossAttention(WIDTH, 2), draw(5, 1, 3), torch.randn(3, 4, WIDTH)
    together, mask = padded(words, length)
    seen_by_words, seen_by_regions = attention(together, regions), attention(regions, together, mask)
    for row, own in enumerate(words):
        alone = attention(own[None], regions[row : row + 1])[0]
        torch.testing.assert_close(seen_by_words[row, : len(own)], alone, rtol=1e-4, atol=1e-5)
        alone = attention(regions[row : row + 1], own[None])[0]
        torch.testing.assert_close(seen_by_regions[row], alone, rtol=1e-4, atol=1e-5)


def test_an_item_projected_once_serves_all_its_pairs():
    attention, looking, other = CrossAttention(WIDTH, 2), torch.randn(3, 4, WIDTH), torch.randn(2, 5, WIDTH)
    left, right = torch.tensor([0, 2, 1, 2]), torch.tensor([1, 0, 0, 1])
    found = attention.attend(attention.queries(looking)[left], attention.keys_values(other).take(right))
    torch.testing.assert_close(found, attention(looking[left], other[right]))


def test_dropout_of_attention_ends_with_training():
    attention, x, y = CrossAttention(WIDTH, 2, dropout=0.5), torch.randn(3, 4, WIDTH), torch.randn(3, 5, WIDTH)
    assert not torch.equal(attention(x, y), attention(x, y))
    attention.eval()
    torch.testing.assert_close(attention(x, y), attention(x, y), rtol=0, atol=0)


def test_fusions_are_what_they_say():
    own, seen = torch.randn(2, 3, WIDTH), torch.randn(2, 3, WIDTH)
    torch.testing.assert_close(SequenceFusion("sum", WIDTH)(own, seen), own + seen)
    for kind in ("concat", "gate"):
        fusion = SequenceFusion(kind, WIDTH)
        left, right = fusion.projection.weight.split(WIDTH, dim=1)
        projected = own @ left.T + seen @ right.T + fusion.projection.bias
        expected = projected
        if kind == "gate":
            gate = 1 / (1 + torch.exp(-projected))
            expected = gate * own + (1 - gate) * seen
        torch.testing.assert_close(fusion(own, seen), expected)


@pytest.mark.parametrize("kind", FUSIONS)
def test_fusion_of_a_position_looks_at_no_other(kind):
    """So a padded sequence fuses as an unpadded one does."""
    fusion = SequenceFusion(kind, WIDTH)
    (own, mask), (seen, _) = padded(draw(3), 6), padded(draw(3), 6)
    torch.testing.assert_close(fusion(own, seen)[mask], fusion(own[mask], seen[mask]))


@pytest.mark.parametrize("make", [lambda: SequencePooling("mena", 4), lambda: SequenceFusion("mena", 4)])
def test_unknown_kinds_name_the_known_ones(make):
    with pytest.raises(ConfigError, match=r"unknown (pooling|fusion) 'mena'.*known: "):
        make()
