"""Invariance loss: the distance of the two codes of a pair."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["invariance_loss"]


def invariance_loss(image_codes: Tensor, text_codes: Tensor) -> Tensor:
    """J_3 = mean_i ||u_i - v_i||, not squared as in ``correlation_loss`` (DSCMR, modality invariance).

    The paper writes one norm of the whole matrix over n; this is the mean of the rows' norms, as in the authors' code.

    Args:
        image_codes: (n, d_code).
        text_codes: (n, d_code).

    Returns:
        A scalar, in float32; its gradient is 0 for a pair whose codes are equal.
    """
    distances: Tensor = torch.linalg.vector_norm(image_codes.float() - text_codes.float(), dim=-1)
    return distances.mean()
