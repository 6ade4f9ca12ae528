"""A learned encoder and, on top of it, a projection that is solved for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ProjectedEncoder"]


class ProjectedEncoder(nn.Module):
    """f(x) = (g(x) - m) W: a learned encoder g and a projection W without parameters, the identity until it is set.

    Args:
        learned: The encoder g, (..., d_in) to (..., width).
        width: Width of its output and of the code.
    """

    weights: Tensor
    mean: Tensor

    def __init__(self, learned: nn.Module, width: int) -> None:
        super().__init__()
        self.learned = learned
        self.register_buffer("weights", torch.eye(width))
        self.register_buffer("mean", torch.zeros(width))

    @torch.no_grad()
    def set_projection(self, mean: Tensor, directions: Tensor) -> None:
        """Take the mean (width,) of g and directions (width, k), k <= width; dimensions beyond k become zero."""
        self.mean.copy_(mean)
        self.weights.zero_()
        self.weights[:, : directions.shape[1]].copy_(directions)

    def forward(self, x: Tensor) -> Tensor:
        """Encode (..., d_in) to (..., width)."""
        return (self.learned(x) - self.mean) @ self.weights  # type: ignore[no-any-return]
