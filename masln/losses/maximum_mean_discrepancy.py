"""Maximum mean discrepancy: two samples should be distributed alike, as Gaussian kernels of several widths see it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from masln.losses.covariance import in_float64

__all__ = ["maximum_mean_discrepancy_loss"]


def maximum_mean_discrepancy_loss(first: Tensor, second: Tensor, *, bandwidths: Sequence[float]) -> Tensor:
    """MMD of samples x_i and y_j: the distance of their means in the space of a sum of Gaussian kernels.

    With k(a, b) = sum_s exp(-||a - b||^2 / (2 s^2)) over the bandwidths s,

        MMD^2 = mean_ij k(x_i, x_j) + mean_ij k(y_i, y_j) - 2 mean_ij k(x_i, y_j)

    the biased estimate, i = j counted (Gretton et al., JMLR 2012, eq. 5; Chi and Peng, TCSVT 2019), and its root.

    Args:
        first: (n, d).
        second: (m, d).
        bandwidths: Deviations s of the kernels, in the units of the vectors.

    Returns:
        A scalar, at least 0, in float64; 0, with gradient 0, where the samples are the same.
    """
    both = in_float64(torch.cat([first, second]))
    squares = both.square().sum(dim=-1)
    distances = (squares[:, None] + squares - 2 * (both @ both.T)).clamp(min=0)
    kernel = torch.stack([torch.exp(distances / (-2 * width**2)) for width in bandwidths]).sum(dim=0)
    signs = torch.cat([both.new_full((len(first),), 1 / len(first)), both.new_full((len(second),), -1 / len(second))])
    squared = signs @ kernel @ signs
    # Below the rounding of the sums the root says nothing, and its gradient is that of noise.
    alive = squared > torch.finfo(both.dtype).eps * len(bandwidths)
    return torch.where(alive, squared, 1.0).sqrt() * alive
