"""Correlation loss: the two codes of a pair should agree."""

from __future__ import annotations

from torch import Tensor

__all__ = ["correlation_loss"]


def correlation_loss(image_codes: Tensor, text_codes: Tensor) -> Tensor:
    """L_corr = mean_i ||f_v(v_i) - f_t(t_i)||^2 (MASLN, correlation learning; the mean, where the paper sums).

    Args:
        image_codes: (n, d_code).
        text_codes: (n, d_code).

    Returns:
        A scalar, in float32.
    """
    return (image_codes.float() - text_codes.float()).square().sum(dim=-1).mean()
