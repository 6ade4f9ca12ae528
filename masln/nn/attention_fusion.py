"""Attention-weighted fusion: views of one item, each projected to the code layer, weighted and summed."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["AttentionFusion"]


class AttentionFusion(nn.Module):
    """code = sum_m a_m h_m with h_m = P_m x_m and a = softmax_m(w' tanh(h_m)), for views m of one item (ours).

    Args:
        widths: Width of each view, by name.
        d_code: Width of the code.
    """

    def __init__(self, widths: Mapping[str, int], d_code: int) -> None:
        super().__init__()
        self.projections = nn.ModuleDict({name: nn.Linear(width, d_code) for name, width in widths.items()})
        self.attention = nn.Linear(d_code, 1, bias=False)

    def forward(self, views: Mapping[str, Tensor]) -> Tensor:
        """Fuse views (..., d_m), one of each name, to (..., d_code)."""
        projected = torch.stack([self.projections[name](views[name]) for name in self.projections], dim=-2)
        weights = torch.softmax(self.attention(torch.tanh(projected)), dim=-2)
        fused: Tensor = (weights * projected).sum(dim=-2)
        return fused
