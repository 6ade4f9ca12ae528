"""Quadruplet loss: a code should be near its class embedding and far from codes of other classes."""

from __future__ import annotations

import torch
from torch import Tensor

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
        A scalar, in float32. A batch of one class has no other codes: only the first term is left.
    """
    codes, class_embeddings = codes.float(), class_embeddings.float()
    near = (codes - class_embeddings).square().sum(dim=-1).mean()
    other = (labels[:, None] != labels).float()
    weights = other / (other.sum(dim=-1, keepdim=True).clamp(min=1) * len(labels))
    far = torch.stack([(weights * _squared_distances(codes, rest.float())).sum() for rest in (image_codes, text_codes)])
    return (pull * near - far.sum()).clamp(min=0)


def _squared_distances(left: Tensor, right: Tensor) -> Tensor:
    return (left[:, None] - right).square().sum(dim=-1)
