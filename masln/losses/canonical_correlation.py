"""Canonical correlation loss: the codes of a batch should be as correlated as linear maps of them can be."""

from __future__ import annotations

import torch
from torch import Tensor

from masln.losses.covariance import code_covariance, in_float64, variance_of_rounding

__all__ = ["canonical_correlation_loss", "canonical_correlations"]

_LEAST_RIDGE = 1e-10  # ours: keeps exactly dependent codes factorable at ridge 0


def canonical_correlations(image_codes: Tensor, text_codes: Tensor, *, ridge: float) -> Tensor:
    """The canonical correlations of a batch, largest first (Andrew et al., ICML 2013, section 3).

    With centred codes H1, H2, S_ij = H_i' H_j / n, and S_ii' = S_ii + ridge * trace(S_ii) / d * I, they are the
    singular values of S_11'^(-1/2) S_12 S_22'^(-1/2), hence of L_1^-1 S_12 L_2^-T with L_i the Cholesky factors of
    S_ii'. The ridge is relative to the trace, where the paper's is absolute, and all is in float64: codes of any
    scale and dependent or dead dimensions have finite values and gradients.

    Args:
        image_codes: (n, d_code), n above d_code; fewer pairs correlate perfectly whatever they are.
        text_codes: (n, d_code).
        ridge: Relative to the mean variance of the codes of a modality.

    Returns:
        (d_code,) in float64; NaN where a code is not finite.
    """
    left, left_factor = _centred(image_codes, ridge)
    right, right_factor = _centred(text_codes, ridge)
    cross = torch.linalg.solve_triangular(left_factor, code_covariance(left, right), upper=False)
    cross = torch.linalg.solve_triangular(right_factor, cross.T, upper=False)
    # Of what is not finite the decomposition would raise; the training loop tells of NaN in one line.
    finite = bool(torch.isfinite(cross).all())
    correlations: Tensor = torch.linalg.svdvals(cross) if finite else cross.sum(dim=0) * torch.nan
    return correlations


def canonical_correlation_loss(image_codes: Tensor, text_codes: Tensor, *, ridge: float) -> Tensor:
    """L_cca = -sum of the canonical correlations (Andrew et al., ICML 2013: the trace norm, with all d_code of them).

    Args:
        image_codes: (n, d_code), n above d_code.
        text_codes: (n, d_code).
        ridge: See ``canonical_correlations``.

    Returns:
        A scalar in [-d_code, 0], in float64.
    """
    return -canonical_correlations(image_codes, text_codes, ridge=ridge).sum()


def _centred(codes: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """Centred codes and the lower Cholesky factor of their covariance with the ridge."""
    codes = in_float64(codes)
    centred = codes - codes.mean(dim=0)
    covariance = code_covariance(centred, centred)
    variance = max(ridge, _LEAST_RIDGE) * covariance.diagonal().mean()
    # Where all codes are alike but for rounding, a ridge relative to their variance would correlate the rounding.
    floor = variance + variance_of_rounding(codes).mean()
    floor = torch.where(floor > 0, floor, 1.0)
    identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    factor: Tensor = torch.linalg.cholesky_ex(covariance + floor * identity).L
    return centred, factor
