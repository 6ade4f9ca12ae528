"""Gaussian distance loss: the 2-Wasserstein distance of the two distributions of a pair."""

from __future__ import annotations

import torch
from torch import Tensor

from masln.nn import DiagonalGaussian

__all__ = ["gaussian_distance_loss"]


def gaussian_distance_loss(first: DiagonalGaussian, second: DiagonalGaussian) -> Tensor:
    """mean_i W_2(N(m_i, S_i), N(n_i, T_i)) of diagonal Gaussians (CADA-VAE, the distribution alignment).

    W_2^2 = ||m - n||^2 + ||S^1/2 - T^1/2||_F^2, exact where the covariances commute, as diagonal ones do.

    Args:
        first: Of each pair, (n, d).
        second: Of each pair, (n, d).

    Returns:
        A scalar, in the precision of the Gaussians; its gradient is 0 for a pair whose Gaussians are equal.
    """
    deviations = torch.exp(0.5 * first.log_variance) - torch.exp(0.5 * second.log_variance)
    distances: Tensor = torch.linalg.vector_norm(torch.cat([first.mean - second.mean, deviations], dim=-1), dim=-1)
    return distances.mean()
