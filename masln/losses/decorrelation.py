"""Decorrelation loss: the dimensions of a code should not repeat each other."""

from __future__ import annotations

from torch import Tensor

__all__ = ["decorrelation_loss"]


def decorrelation_loss(covariance: Tensor) -> Tensor:
    """L_sdl = sum_{i != j} |C_ij| (Chang et al., CVPR 2018, stochastic decorrelation loss).

    Args:
        covariance: (d_code, d_code) of the standardised codes of one modality.

    Returns:
        A scalar, in the type of the covariance.
    """
    return covariance.abs().sum() - covariance.diagonal().abs().sum()
