"""Covariance alignment loss: the codes of both modalities should vary alike."""

from __future__ import annotations

from torch import Tensor

from masln.losses.covariance import code_covariance, in_float64

__all__ = ["covariance_alignment_loss"]


def covariance_alignment_loss(image: Tensor, text: Tensor) -> Tensor:
    """L_coral = mean_ij (C^u_ij - C^v_ij)^2 over the entries of the covariances of both codes, each over n - 1.

    Sun, B., Saenko, K.: Deep CORAL, ECCV 2016 workshops, equation 1, as a mean over entries and without its quarter: so
    in JFSE's code, whose cross-modal correlation alignment it is. A single pair has covariance 0.

    Args:
        image: (n, d_code) codes u.
        text: (n, d_code) codes v.

    Returns:
        A scalar, in float64.
    """
    codes = [in_float64(values) for values in (image, text)]
    first, second = (code_covariance(z, z) for z in (values - values.mean(dim=0) for values in codes))
    unbiased = len(image) / max(1, len(image) - 1)
    return (unbiased * (first - second)).square().mean()
