"""Unit length: codes on the sphere, where a product is a cosine."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["UnitLength"]


class UnitLength(nn.Module):
    """x / ||x||, of the last axis, in float32; a row of zeros stays one."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., d) to (..., d)."""
        return functional.normalize(x.float(), dim=-1, eps=1e-6)
