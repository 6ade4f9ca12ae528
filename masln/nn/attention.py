"""Multi-head attention inside one sequence, and from one sequence to another."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

__all__ = ["CrossAttention", "KeysValues", "SelfAttention"]


class SelfAttention(nn.Module):
    """h_j = LayerNorm(x_j + MultiHead(x_j, x, x)): a sequence looks at itself (Vaswani et al., NeurIPS 2017).

    Without the feed-forward layer of a transformer block (ours).

    Args:
        width: Of x and h.
        heads: A divisor of it.
        dropout: On the attention weights and on what is added to x.
    """

    def __init__(self, width: int, heads: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend in (n, length, width).

        Args:
            sequence: Finite.
            mask: (n, length) bool, True where valid, at least once in a row; None: all are. Other positions are not
                looked at; what comes out there means nothing.
        """
        ignored = None if mask is None else ~mask
        found, _ = self.attention(sequence, sequence, sequence, key_padding_mask=ignored, need_weights=False)
        return self.norm(sequence + self.dropout(found))  # type: ignore[no-any-return]


class KeysValues(NamedTuple):
    """What is attended to, projected: (n, heads, length, width / heads) each."""

    keys: Tensor
    values: Tensor

    def take(self, rows: Tensor) -> KeysValues:
        """Those of some items."""
        return KeysValues(self.keys[rows], self.values[rows])


class CrossAttention(nn.Module):
    """c_j = sum_i a_ji V y_i with a_j = softmax_i((Q x_j)' K y_i / sqrt(width / heads)), each head in its own slice.

    It is ``nn.MultiheadAttention`` without the last projection, cut where the items of many pairs are shared: an item
    is projected once, however many items of the other modality it is paired with.

    Args:
        width: Of x, y and c.
        heads: A divisor of it.
        dropout: On the attention weights.
    """

    def __init__(self, width: int, heads: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def queries(self, sequence: Tensor) -> Tensor:
        """Project those that look, (n, length, width), to (n, heads, length, width / heads)."""
        return self._split(self.query(sequence))

    def keys_values(self, sequence: Tensor) -> KeysValues:
        """Project those that are looked at, (n, length, width)."""
        return KeysValues(self._split(self.key(sequence)), self._split(self.value(sequence)))

    def attend(self, queries: Tensor, looked_at: KeysValues, mask: Tensor | None = None) -> Tensor:
        """What each query sees: (n, length of the queries, width).

        Args:
            queries: From ``queries``.
            looked_at: From ``keys_values``, of as many items.
            mask: (n, length of the keys) bool, True where valid, at least once in a row; None: all are.
        """
        allowed = None if mask is None else mask[:, None, None, :]
        dropout = self.dropout if self.training else 0.0
        seen = scaled_dot_product_attention(queries, *looked_at, attn_mask=allowed, dropout_p=dropout)
        return seen.transpose(1, 2).flatten(2)

    def weights(self, queries: Tensor, keys: Tensor, mask: Tensor | None = None) -> Tensor:
        """The weights a: (n, heads, length of the queries, length of the keys), each row summing to 1.

        Args:
            queries: From ``queries``.
            keys: Those of ``keys_values``.
            mask: As for ``attend``.
        """
        products = queries @ keys.transpose(-2, -1) / queries.shape[-1] ** 0.5
        if mask is not None:
            products = products.masked_fill(~mask[:, None, None, :], -torch.inf)
        return torch.softmax(products, dim=-1)

    def forward(self, sequence: Tensor, other: Tensor, mask: Tensor | None = None) -> Tensor:
        """Look from (n, length, width) at (n, other length, width) with its mask (n, other length)."""
        return self.attend(self.queries(sequence), self.keys_values(other), mask)

    def _split(self, sequence: Tensor) -> Tensor:
        n, length, width = sequence.shape
        return sequence.reshape(n, length, self.heads, width // self.heads).transpose(1, 2)
