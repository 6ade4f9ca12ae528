"""Quadruplet loss: a code should be near its class embedding and far from codes of other classes."""

from __future__ import annotations

import torch
from torch import Tensor

from masln.losses.covariance import in_float64

__all__ = ["quadruplet_loss"]


def quadruplet_loss(
    codes: Tensor, image_codes: Tensor, text_codes: Tensor, class_embeddings: Tensor, labels: Tensor, *, pull: float
) -> Tensor:
    """The metric constraint of DADN, for the codes z of one modality of a batch.

        L = max(0, pull * mean_i ||z_i - c_i||^2 - mean_ij ||z_i - v_j||^2 - mean_ij ||z_i - t_j||^2)

    with j over the pairs of the batch of another class than i, each i weighing alike. The authors' code (Chi and Peng,
    TCSVT 2019) draws one pair j for each i, from all training pairs; these are the means over such draws within the
    batch (ours). As there, the hinge is that of the whole batch.

    Args:
        codes: (n, d_code) codes z.
        image_codes: (n, d_code) codes v.
        text_codes: (n, d_code) codes t.
        class_embeddings: (n, d_code) embedding c_i of the class of each pair.
        labels: (n,) class ids.
        pull: Weight of the distance to the class embedding.

    Returns:
        A scalar, in float64. A batch of one class has no other codes: only the first term is left.
    """
    codes, class_embeddings = in_float64(codes), in_float64(class_embeddings)
    near = (codes - class_embeddings).square().sum(dim=-1).mean()
    other = (labels[:, None] != labels).to(codes)
    weights = other / (other.sum(dim=-1, keepdim=True).clamp(min=1) * len(labels))
    rests = [in_float64(rest) for rest in (image_codes, text_codes)]
    far = torch.stack([_weighted_squared_distances(weights, codes, rest) for rest in rests])
    return (pull * near - far.sum()).clamp(min=0)


def _weighted_squared_distances(weights: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """sum_ij w_ij ||l_i - r_j||^2, multiplied out: the differences of all pairs would be n times the codes."""
    own = weights.sum(dim=1) @ left.square().sum(dim=-1) + weights.sum(dim=0) @ right.square().sum(dim=-1)
    return own - 2 * (left * (weights @ right)).sum()
