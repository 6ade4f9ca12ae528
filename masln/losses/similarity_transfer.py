"""Similarity transfer loss: each code should see the other modality's codes of the batch as the teacher does."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["similarity_transfer_loss"]


def similarity_transfer_loss(
    first: Tensor,
    second: Tensor,
    teacher_first: Tensor,
    teacher_second: Tensor,
    *,
    temperature: float,
    teacher_temperature: float,
) -> Tensor:
    """L = (1/2) mean_i KL(p_i || q_i) of the first codes to the second, and the same of the second to the first.

    q_ij is the softmax over j of cos(x_i, y_j) / ``temperature``, p_ij that of the teacher's codes and temperature
    (contrastive relational distillation of CLIP-KD; Yang, C., et al., CVPR 2024).

    Args:
        first: (n, d_code) codes x of the student.
        second: (n, d_code) codes y of the student, row by row the other side of a pair.
        teacher_first: (n, d_teacher) of any width; the teacher's codes get no gradient.
        teacher_second: (n, d_teacher).
        temperature: Of the student's cosines.
        teacher_temperature: Of the teacher's.

    Returns:
        A scalar, in float32.
    """
    student = _cosines(first, second) / temperature
    teacher = _cosines(teacher_first.detach(), teacher_second.detach()) / teacher_temperature
    return (_divergence(student, teacher) + _divergence(student.T, teacher.T)) / 2


def _cosines(first: Tensor, second: Tensor) -> Tensor:
    return functional.normalize(first.float(), dim=-1) @ functional.normalize(second.float(), dim=-1).T


def _divergence(student: Tensor, teacher: Tensor) -> Tensor:
    logs = student.log_softmax(dim=-1), teacher.log_softmax(dim=-1)
    return functional.kl_div(*logs, reduction="batchmean", log_target=True)
