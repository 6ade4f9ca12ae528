"""Relational angle loss: the angles that three codes of a batch make should be the teacher's."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["relational_angle_loss"]


def relational_angle_loss(codes: Tensor, teacher_codes: Tensor) -> Tensor:
    """L_RKD-A = mean_ijk h(cos(s_i, s_j, s_k) - cos(t_i, t_j, t_k)), the angle at code j, h the Huber function.

    Park, W., Kim, D., Lu, Y., Cho, M.: Relational knowledge distillation. CVPR 2019. The mean runs over all i, j and k,
    as in the authors' code; where two of them are one, nothing is added. Time is n^3 d, and memory n^2 (n + d).

    Args:
        codes: (n, d_code) codes of the student.
        teacher_codes: (n, d_teacher) of any width; they get no gradient.

    Returns:
        A scalar, in float32; it does not change when either codes are scaled, turned or shifted.
    """
    return functional.smooth_l1_loss(_cosines(codes), _cosines(teacher_codes.detach()))


def _cosines(codes: Tensor) -> Tensor:
    """The cosine (n, n, n) at each code, first index, of the angle to every two others."""
    codes = codes.float()
    directions = functional.normalize(codes[None, :] - codes[:, None], dim=-1)
    return directions @ directions.mT
