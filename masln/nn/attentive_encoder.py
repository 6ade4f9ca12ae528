"""An encoder of words or regions that look at each other, and are pooled to one code."""

from __future__ import annotations

from torch import Tensor, nn

from masln.nn.attention import SelfAttention
from masln.nn.pooling import as_sequence, build_pooling
from masln.nn.unit_length import UnitLength

__all__ = ["AttentiveEncoder"]


class AttentiveEncoder(nn.Module):
    """f(x_1 .. x_L) = p / ||p|| with p = pool_j h_j and h = SelfAttention(P x_1 .. P x_L).

    Order is not told: words and regions are sets here (ours).

    Args:
        d_in: Width of the (scaled) features.
        width: Of h and of the code.
        heads: Of the self-attention, a divisor of ``width``.
        pooling: One of ``POOLINGS``.
        dropout: Of the self-attention.
        input_dropout: On the features.
    """

    def __init__(
        self, d_in: int, width: int, *, heads: int, pooling: str, dropout: float = 0.0, input_dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.projection = nn.Sequential(nn.Dropout(input_dropout), nn.Linear(d_in, width))
        self.attention = SelfAttention(width, heads, dropout=dropout)
        self.pooling = build_pooling(pooling, width)
        self.unit_length = UnitLength()

    def states(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """The positions as they see each other, (n, length, width).

        Args:
            features: (n, length, d_in), or (n, d_in), a sequence of one.
            mask: (n, length) bool, True where valid, at least once in a row; None: all are.
        """
        sequence = features if features.ndim == 3 else features[:, None]  # without a mask attention is faster
        found: Tensor = self.attention(self.projection(sequence), mask)
        return found

    def pooled(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        """The codes, (n, width), of what ``states`` gave."""
        code: Tensor = self.unit_length(self.pooling(*as_sequence(states, mask)))
        return code

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode (n, length, d_in), or (n, d_in), to (n, width); arguments as for ``states``."""
        return self.pooled(self.states(features, mask), mask)
