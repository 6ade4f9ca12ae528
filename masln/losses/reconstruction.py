"""Reconstruction loss: each code, joined to its class embedding, should decode into both modalities."""

from __future__ import annotations

from torch import Tensor

__all__ = ["reconstruction_loss"]


def reconstruction_loss(decoded: Tensor, features: Tensor) -> Tensor:
    """sum_m mean_i ||x_i - D(z_i^m)||^2 over the codes m from which the features were decoded.

    MASLN's L_rec is this loss for the image features plus this loss for the text features, m running over
    z^I and z^T (the mean over pairs, where the paper sums).

    Args:
        decoded: (m, n, d) features decoded from m codes of each pair.
        features: (n, d) the features themselves.

    Returns:
        A scalar, in float32.
    """
    return (decoded.float() - features.float()).square().sum() / len(features)
