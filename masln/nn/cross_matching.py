"""Cross matching: one score of a picture and a text whose regions and words look at each other."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from masln.nn.attention import CrossAttention, KeysValues
from masln.nn.pooling import as_sequence, build_pooling
from masln.nn.sequence_fusion import SequenceFusion

__all__ = ["CrossMatching", "MatchedItems"]


class MatchedItems(NamedTuple):
    """Pictures, or texts, as far as they can be made ready without knowing what they are paired with.

    Attributes:
        codes: (n, width), of length one.
        states: (n, length, width).
        queries: (n, heads, length, width / heads), by which they look.
        looked_at: What they show to those that look.
        mask: (n, length) bool, True where valid; None: all are.
    """

    codes: Tensor
    states: Tensor
    queries: Tensor
    looked_at: KeysValues
    mask: Tensor | None

    def take(self, rows: Tensor) -> MatchedItems:
        """Some of them, in this order."""
        mask = None if self.mask is None else self.mask[rows]
        return MatchedItems(self.codes[rows], self.states[rows], self.queries[rows], self.looked_at.take(rows), mask)


class CrossMatching(nn.Module):
    """s = cos(v, t) + cos(pool_i fuse(h_i, c_i), pool_j fuse(h_j, c_j)), of regions i that saw words and the reverse.

    v and t are the codes of picture and text by themselves, h the states that they were pooled from, and c what a
    region saw in the words (a word in the regions) by cross-attention. The sum of a similarity of independent codes
    and one of cross-attended codes is that of MMCA (Wei et al., CVPR 2020, eq. 9).

    Args:
        width: Of codes and states.
        heads: A divisor of it.
        fusion: One of ``FUSIONS``.
        pooling: One of ``POOLINGS``.
        dropout: On the attention weights.
    """

    def __init__(self, width: int, heads: int, *, fusion: str, pooling: str, dropout: float = 0.0) -> None:
        super().__init__()
        sides = ("image", "text")
        #: By the modality that looks.
        self.attention = nn.ModuleDict({side: CrossAttention(width, heads, dropout=dropout) for side in sides})
        self.fusion = nn.ModuleDict({side: SequenceFusion(fusion, width) for side in sides})
        self.pooling = nn.ModuleDict({side: build_pooling(pooling, width) for side in sides})

    def prepare(self, modality: str, codes: Tensor, states: Tensor, mask: Tensor | None = None) -> MatchedItems:
        """Make pictures or texts ready, each once, however many pairs it is in.

        Args:
            modality: ``image`` or ``text``.
            codes: (n, width).
            states: (n, length, width).
            mask: (n, length) bool, True where valid; None: all are.
        """
        other = "text" if modality == "image" else "image"
        own, theirs = self.attention[modality], self.attention[other]
        assert isinstance(own, CrossAttention) and isinstance(theirs, CrossAttention)
        return MatchedItems(codes, states, own.queries(states), theirs.keys_values(states), mask)

    def forward(self, images: MatchedItems, texts: MatchedItems) -> Tensor:
        """Scores (p,) of p pairs, in float32: picture i with text i."""
        regions, words = self._fused("image", images, texts), self._fused("text", texts, images)
        joint = functional.cosine_similarity(regions.float(), words.float(), dim=-1)
        return (images.codes.float() * texts.codes.float()).sum(dim=-1) + joint

    def weights(self, images: MatchedItems, texts: MatchedItems) -> Tensor:
        """How much each word looks at each region, (p, words, regions), the mean over heads; 0 where no word is."""
        attention = self.attention["text"]
        assert isinstance(attention, CrossAttention)
        found = attention.weights(texts.queries, images.looked_at.keys, images.mask).mean(dim=1)
        return found if texts.mask is None else found.masked_fill(~texts.mask[..., None], 0.0)

    def _fused(self, modality: str, own: MatchedItems, other: MatchedItems) -> Tensor:
        attention = self.attention[modality]
        assert isinstance(attention, CrossAttention)
        seen = attention.attend(own.queries, other.looked_at, other.mask)
        pooled: Tensor = self.pooling[modality](*as_sequence(self.fusion[modality](own.states, seen), own.mask))
        return pooled
