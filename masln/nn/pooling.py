"""Pooling: the positions of a sequence that are real, to one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from masln.errors import ConfigError, unknown_name

__all__ = ["POOLINGS", "AttentionPooling", "MaxPooling", "MeanPooling", "as_sequence", "build_pooling"]

POOLINGS = ("mean", "max", "attention")


def as_sequence(X: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Bring features to sequences with a mask.

    Args:
        X: (n, length, d); or (n, d), each row of which is a sequence of length one.
        mask: (n, length) bool, True where a position is real; all are where none is given.

    Returns:
        (n, length, d) and (n, length).
    """
    if X.ndim == 2:
        X = X.unsqueeze(1)
    return X, torch.ones(X.shape[:2], dtype=torch.bool, device=X.device) if mask is None else mask


class MeanPooling(nn.Module):
    """The mean over the real positions; of a map of CNN features, its global average."""

    def forward(self, H: Tensor, mask: Tensor) -> Tensor:
        """(n, length, d) and (n, length) to (n, d)."""
        total = H.masked_fill(~mask.unsqueeze(-1), 0.0).sum(dim=1)
        return total / mask.sum(dim=1, keepdim=True)


class MaxPooling(nn.Module):
    """The greatest value of each dimension over the real positions."""

    def forward(self, H: Tensor, mask: Tensor) -> Tensor:
        """(n, length, d) and (n, length) to (n, d)."""
        return H.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(dim=1)


class AttentionPooling(nn.Module):
    """sum_j a_j h_j with a = softmax_j(w' tanh(W h_j + b)), over the real positions j.

    Lin, Z., Feng, M., Nogueira dos Santos, C., Yu, M., Xiang, B., Zhou, B., Bengio, Y.: A structured self-attentive
    sentence embedding. ICLR 2017, with one row of weights.

    Args:
        width: d, and the width of W h.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, 1, bias=False)

    def weights(self, H: Tensor, mask: Tensor) -> Tensor:
        """How much each position counts, (n, length): 0 where it is not real, 1 in all."""
        scores = self.outer(torch.tanh(self.inner(H))).squeeze(-1).float()
        return torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=1)

    def forward(self, H: Tensor, mask: Tensor) -> Tensor:
        """(n, length, d) and (n, length) to (n, d)."""
        kept = H.masked_fill(~mask.unsqueeze(-1), 0.0)  # 0 times what stands there, were it infinite, is no number
        return torch.einsum("nl,nld->nd", self.weights(kept, mask).to(H.dtype), kept)


def build_pooling(kind: str, width: int) -> nn.Module:
    """Make a pooling of (n, length, width), with a mask (n, length), to (n, width).

    Raises:
        ConfigError: the kind is none of ``POOLINGS``.
    """
    if kind not in POOLINGS:
        raise ConfigError(unknown_name("pooling", kind, POOLINGS))
    return {"mean": MeanPooling, "max": MaxPooling}[kind]() if kind != "attention" else AttentionPooling(width)
