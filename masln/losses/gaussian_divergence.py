"""Gaussian divergence loss: how much a posterior says beyond its prior."""

from __future__ import annotations

import torch
from torch import Tensor

from masln.nn import DiagonalGaussian

__all__ = ["gaussian_divergence_loss"]


def gaussian_divergence_loss(posterior: DiagonalGaussian, prior: DiagonalGaussian | None = None) -> Tensor:
    """mean_i KL(N(m_i, S_i) || N(n_i, T_i)) of diagonal Gaussians, in nats.

    KL = 1/2 sum_j ( log t_j - log s_j - 1 + (s_j + (m_j - n_j)^2) / t_j ) for the variances s of S and t of T (Kingma
    and Welling, ICLR 2014, appendix B, for the standard prior).

    Args:
        posterior: Of each pair, (n, d).
        prior: Of each pair, (n, d); the standard normal when None.

    Returns:
        A scalar, in the precision of the posterior.
    """
    if prior is None:
        zero = torch.zeros_like(posterior.mean)
        prior = DiagonalGaussian(zero, zero)
    excess = posterior.log_variance - prior.log_variance
    shift = (posterior.mean - prior.mean).square() * torch.exp(-prior.log_variance)
    return 0.5 * (excess.exp() - 1 - excess + shift).sum() / len(posterior.mean)
