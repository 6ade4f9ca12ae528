"""Pooling of a sequence to one vector, by maximum, mean or attention, over its valid positions alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from masln.errors import ConfigError, unknown_name

__all__ = ["POOLINGS", "SequencePooling"]

POOLINGS = ("max", "mean", "attention")


class SequencePooling(nn.Module):
    """One vector of a sequence h_1 .. h_L, over its valid positions j.

    ``max``: the largest value of each dimension; ``mean``: sum_j h_j / count; ``attention``: sum_j a_j h_j with
    a = softmax_j(w' tanh(W h_j + b)) (additive attention of one query; Lin et al., ICLR 2017, with one row).

    Args:
        kind: One of ``POOLINGS``.
        width: Width of h_j.

    Raises:
        ConfigError: unknown kind.
    """

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        if kind not in POOLINGS:
            raise ConfigError(unknown_name("pooling", kind, POOLINGS))
        self.kind = kind
        self.relevance = None
        if kind == "attention":
            self.relevance = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1, bias=False))

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pool (n, length, width) to (n, width).

        Args:
            sequence: What stands at positions that are not valid has no part in the result, whatever it is.
            mask: (n, length) bool, True where valid, at least once in a row; None: all are.
        """
        if self.kind == "max":
            if mask is not None:
                sequence = sequence.masked_fill(~mask[..., None], -torch.inf)
            return sequence.amax(dim=-2)
        if mask is not None:
            sequence = sequence.masked_fill(~mask[..., None], 0.0)
        if self.relevance is None:
            count = sequence.shape[-2] if mask is None else mask.sum(dim=-1, keepdim=True)
            return sequence.sum(dim=-2) / count
        scores = self.relevance(sequence)
        if mask is not None:
            scores = scores.masked_fill(~mask[..., None], -torch.inf)
        pooled: Tensor = (torch.softmax(scores, dim=-2) * sequence).sum(dim=-2)
        return pooled
