"""Attention, fusion and pooling of sequences: against torch, by hand, and padded against unpadded."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from masln.errors import ConfigError
from masln.nn import FUSIONS, POOLINGS, AttentiveEncoder, CrossAttention, CrossMatching, SelfAttention, SequenceFusion

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


def test_an_unknown_fusion_names_the_known_ones():
    with pytest.raises(ConfigError, match=r"unknown fusion 'gates' \(did you mean 'gate'\?\)"):
        SequenceFusion("gates", 4)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_an_attentive_encoder_padded_equals_unpadded(pooling):
    encoder, sequences = AttentiveEncoder(WIDTH, 6, heads=2, pooling=pooling), draw(5, 1, 3)
    found = encoder(*padded(sequences, 9))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    for row, sequence in zip(found, sequences, strict=True):
        torch.testing.assert_close(row, encoder(sequence[None])[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(encoder(sequences[1]), encoder(sequences[1][None]))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_matching_padded_equals_unpadded(pooling, fusion):
    matching, words = CrossMatching(WIDTH, 2, fusion=fusion, pooling=pooling), draw(5, 1, 3)
    codes, regions = torch.randn(2, 3, WIDTH), torch.randn(3, 4, WIDTH)
    images = matching.prepare("image", codes[0], regions)
    together, mask = padded(words, 9)
    texts = matching.prepare("text", codes[1], together, mask)
    scores, weights = matching(images, texts), matching.weights(images, texts)
    assert not weights[~mask].any()
    for row, own in enumerate(words):
        alone = images.take(torch.tensor([row])), matching.prepare("text", codes[1, row : row + 1], own[None])
        torch.testing.assert_close(scores[row], matching(*alone)[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(weights[row, : len(own)], matching.weights(*alone)[0], rtol=1e-4, atol=1e-5)


def test_the_score_adds_the_cosine_of_codes_and_that_of_what_was_seen():
    matching = CrossMatching(WIDTH, 2, fusion="sum", pooling="mean")
    codes, regions, words = torch.eye(WIDTH)[:2], torch.randn(1, 4, WIDTH), torch.randn(1, 3, WIDTH)
    images, texts = matching.prepare("image", codes[:1], regions), matching.prepare("text", codes[:1], words)
    pooled = [
        (regions + matching.attention["image"](regions, words)).mean(dim=1),
        (words + matching.attention["text"](words, regions)).mean(dim=1),
    ]
    expected = 1 + torch.cosine_similarity(*pooled)
    torch.testing.assert_close(matching(images, texts), expected)
    apart = matching.prepare("text", codes[1:], words)
    torch.testing.assert_close(matching(images, apart), expected - 1)


def test_the_weights_of_matching_are_those_by_which_words_see_regions():
    matching = CrossMatching(WIDTH, 2, fusion="sum", pooling="mean")
    codes, regions, words = torch.eye(WIDTH)[:3], torch.randn(3, 4, WIDTH), torch.randn(3, 5, WIDTH)
    found = matching.weights(matching.prepare("image", codes, regions), matching.prepare("text", codes, words))
    _, expected = as_torch(matching.attention["text"])(words, regions, regions, need_weights=True)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
