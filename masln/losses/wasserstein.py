"""Wasserstein loss: what a critic of real and synthetic features minimises."""

from __future__ import annotations

from torch import Tensor

__all__ = ["wasserstein_loss"]


def wasserstein_loss(real_scores: Tensor, synthetic_scores: Tensor) -> Tensor:
    """L_w = mean C(synthetic) - mean C(real); its least, over critics C of slope 1 at most, is minus their distance.

    Arjovsky, M., Chintala, S., Bottou, L.: Wasserstein generative adversarial networks. ICML 2017.

    Args:
        real_scores: (n,) of the critic on real features.
        synthetic_scores: (m,) of the same on synthetic ones.

    Returns:
        A scalar, in float32.
    """
    return synthetic_scores.float().mean() - real_scores.float().mean()
