"""Relational distance loss: the distances within a batch should be the teacher's, up to their scale."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["relational_distance_loss"]

_SMALLEST = 1e-12


def relational_distance_loss(codes: Tensor, teacher_codes: Tensor) -> Tensor:
    """L_RKD-D = mean_ij h(psi(s_i, s_j) - psi(t_i, t_j)), psi(x_i, x_j) = ||x_i - x_j|| / mu, h the Huber function.

    mu is the mean distance of two codes of the batch that are not equal (Park, W., Kim, D., Lu, Y., Cho, M.: Relational
    knowledge distillation. CVPR 2019). The mean runs over all i and j, as in the authors' code.

    Args:
        codes: (n, d_code) codes of the student.
        teacher_codes: (n, d_teacher) of any width; they get no gradient.

    Returns:
        A scalar, in float32; it does not change when either codes are scaled, turned or shifted.
    """
    return functional.smooth_l1_loss(_relative_distances(codes), _relative_distances(teacher_codes.detach()))


def _relative_distances(codes: Tensor) -> Tensor:
    codes = codes.float()
    # The distance by the matrix product loses the small ones; this one has the gradient 0 where two codes are equal.
    distances = torch.cdist(codes, codes, compute_mode="donot_use_mm_for_euclid_dist")
    mean = distances.sum() / (distances > 0).sum().clamp(min=1)
    return distances / mean.clamp(min=_SMALLEST)
