"""Fusion of what a position is and what it saw in the other modality."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from masln.errors import ConfigError, unknown_name

__all__ = ["FUSIONS", "SequenceFusion"]

FUSIONS = ("concat", "sum", "gate")


class SequenceFusion(nn.Module):
    """u = P [x, c] (``concat``), x + c (``sum``), or g x + (1 - g) c with g = sigmoid(G [x, c] + b) (``gate``).

    The gate is that of Arevalo et al. (Gated multimodal units, ICLR workshop 2017), a weight for each dimension.

    Args:
        kind: One of ``FUSIONS``.
        width: Of x, c and u.

    Raises:
        ConfigError: unknown kind.
    """

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        if kind not in FUSIONS:
            raise ConfigError(unknown_name("fusion", kind, FUSIONS))
        self.kind = kind
        self.projection = None if kind == "sum" else nn.Linear(2 * width, width)

    def forward(self, own: Tensor, seen: Tensor) -> Tensor:
        """Fuse (..., width) and (..., width)."""
        if self.projection is None:
            return own + seen
        projected: Tensor = self.projection(torch.cat([own, seen], dim=-1))
        if self.kind == "concat":
            return projected
        gate = torch.sigmoid(projected)
        return gate * own + (1 - gate) * seen
