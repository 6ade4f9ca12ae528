"""Diagonal Gaussians as codes: what the encoder of a variational autoencoder gives."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["DiagonalGaussian", "GaussianEncoder"]

_MOST_LOG_VARIANCE = 9.21035  # a variance of 10,000, as in the code of IIAE and MDVAE; the lower bound is ours


class DiagonalGaussian(NamedTuple):
    """A normal distribution for each row, its dimensions independent.

    Attributes:
        mean: (..., d), float32 or wider.
        log_variance: (..., d), float32 or wider.
    """

    mean: Tensor
    log_variance: Tensor

    @classmethod
    def of(cls, outputs: Tensor) -> DiagonalGaussian:
        """Mean and log variance, each half of (..., 2 d), out of mixed precision and within bounds."""
        wide = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        mean, log_variance = wide.chunk(2, dim=-1)
        return cls(mean, log_variance.clamp(-_MOST_LOG_VARIANCE, _MOST_LOG_VARIANCE))

    def sample(self) -> Tensor:
        """Draw once from each row, (..., d), so that gradients reach mean and variance."""
        return self.mean + torch.exp(0.5 * self.log_variance) * torch.randn_like(self.mean)


class GaussianEncoder(nn.Module):
    """q(z | x) = N(m(x), diag(s^2(x))); the code of x is the mean, so that encoding draws nothing.

    Args:
        layers: From (..., d_in) to (..., 2 d_code): mean, then log variance.
    """

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        """q(z | x) of (..., d_in)."""
        return DiagonalGaussian.of(self.layers(x))

    def forward(self, x: Tensor) -> Tensor:
        """Encode (..., d_in) to the mean (..., d_code)."""
        return self.posterior(x).mean
