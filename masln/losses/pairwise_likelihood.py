"""Pairwise likelihood loss: the cosine of two codes should tell whether they share a class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["pairwise_likelihood_loss"]

_SMALLEST_NORM = 1e-6


def pairwise_likelihood_loss(image_codes: Tensor, text_codes: Tensor, labels: Tensor) -> Tensor:
    """J_2: negative log-likelihood of "same class", a logistic of the halved cosine, between and within modalities.

    With S_ij = 1 where pairs i and j are of one class and 0 elsewhere, and G = cos / 2,

        J_2 = sum over (u, v), (u, u), (v, v) of  1/n^2 sum_ij log(1 + exp G_ij) - S_ij G_ij

    (DSCMR, equation of the common representation space; the diagonal is counted, as in the authors' code).

    Args:
        image_codes: (n, d_code) codes u.
        text_codes: (n, d_code) codes v.
        labels: (n,) class ids.

    Returns:
        A scalar, in float32.
    """
    image, text = (
        functional.normalize(codes.float(), dim=-1, eps=_SMALLEST_NORM) for codes in (image_codes, text_codes)
    )
    same = (labels[:, None] == labels).float()
    halves = torch.stack([image @ text.T, image @ image.T, text @ text.T]) / 2
    return (functional.softplus(halves) - same * halves).mean(dim=(-2, -1)).sum()
