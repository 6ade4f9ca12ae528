"""Gradient penalty: a critic should have slope 1 between real and synthetic features."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["gradient_penalty_loss", "random_interpolates"]


def gradient_penalty_loss(critic: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """L_gp = mean_i (||grad C(x_i)|| - 1)^2, which only the critic C is to minimise.

    Gulrajani, I., et al.: Improved training of Wasserstein GANs. NeurIPS 2017, equation 3, without its weight.

    Args:
        critic: Scores of points, (n, d) to (n,) or (n, 1), each from its own point alone.
        points: (n, d); no gradient goes back through them.

    Returns:
        A scalar, in the type of the points.
    """
    points = points.detach().requires_grad_()
    (slopes,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    # Unlike the square root of a sum, vector_norm has gradient 0, not NaN, where the slope is exactly 0.
    norms: Tensor = torch.linalg.vector_norm(slopes, dim=-1)
    return (norms - 1.0).square().mean()


def random_interpolates(real: Tensor, synthetic: Tensor) -> Tensor:
    """Points e x_i + (1 - e) y_i, e drawn uniformly from [0, 1) for each row of (n, d) features x and y."""
    share = torch.rand(len(real), 1, device=real.device, dtype=real.dtype)
    return share * real + (1.0 - share) * synthetic
