"""Absolute reconstruction loss: the sum of absolute errors of what is decoded."""

from __future__ import annotations

from torch import Tensor

__all__ = ["absolute_reconstruction_loss"]


def absolute_reconstruction_loss(decoded: Tensor, features: Tensor) -> Tensor:
    """mean_i ||x_i - D(z_i)||_1 (CADA-VAE; not squared as in ``reconstruction_loss``).

    Args:
        decoded: (n, d).
        features: (n, d), float32 or wider.

    Returns:
        A scalar, in the precision of the features.
    """
    return (features - decoded).abs().sum() / len(features)
