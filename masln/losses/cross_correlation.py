"""Cross-correlation loss: each dimension of an image code should agree with the same one of the text code alone."""

from __future__ import annotations

from torch import Tensor

from masln.losses.covariance import code_covariance, standardised

__all__ = ["cross_correlation_loss"]


def cross_correlation_loss(image_codes: Tensor, text_codes: Tensor, *, redundancy: float) -> Tensor:
    """L_bt = sum_i (1 - C_ii)^2 + redundancy * sum_{i != j} C_ij^2 (Zbontar et al., ICML 2021, eq. 1).

    C_ij is the correlation, over the batch, of dimension i of the image codes and j of the text codes (eq. 2, after
    centring); with a constant dimension it is 0.

    Args:
        image_codes: (n, d_code).
        text_codes: (n, d_code).
        redundancy: Weight of the terms between different dimensions, lambda in the paper.

    Returns:
        A scalar, in float64.
    """
    correlation = code_covariance(standardised(image_codes), standardised(text_codes))
    diagonal = correlation.diagonal()
    others = correlation.square().sum() - diagonal.square().sum()
    return (1 - diagonal).square().sum() + redundancy * others
