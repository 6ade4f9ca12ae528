"""Kernel values of features with landmarks, as a module, so that they stand in a graph too."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from masln.errors import ConfigError, unknown_name

__all__ = ["KERNELS", "KernelValues"]

KERNELS = ("rbf", "polynomial")


class KernelValues(nn.Module):
    """k(x, l_j) for each landmark l_j: exp(-g |x - l_j|^2) of ``rbf``, (g x'l_j + 1)^degree of ``polynomial``.

    Args:
        landmarks: (m, d).
        kernel: One of ``KERNELS``.
        gamma: The factor g.
        degree: Of the polynomial.

    Raises:
        ConfigError: unknown kernel.
    """

    landmarks: Tensor
    squares: Tensor

    def __init__(self, landmarks: Tensor, kernel: str, gamma: float, degree: int) -> None:
        super().__init__()
        if kernel not in KERNELS:
            raise ConfigError(unknown_name("kernel", kernel, KERNELS))
        self.kernel, self.gamma, self.degree = kernel, gamma, degree
        self.register_buffer("landmarks", landmarks)
        self.register_buffer("squares", landmarks.square().sum(dim=1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, d) to (n, m)."""
        products = x @ self.landmarks.T
        if self.kernel == "polynomial":
            return (self.gamma * products + 1.0) ** self.degree
        distances = x.square().sum(dim=1, keepdim=True) - 2 * products + self.squares
        return torch.exp(-self.gamma * distances.clamp(min=0))
