"""Cross-modal triplet loss: a code, one of the other modality of its class, and one of another class."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["cross_modal_triplet_loss"]


def cross_modal_triplet_loss(
    image_codes: Tensor, text_codes: Tensor, labels: Tensor, *, negative: float, margin: float
) -> Tensor:
    """L_imi of ACMR, averaged over all triplets of the batch and over the two modalities of the anchor.

    With anchors i, codes j of the other modality of the same class (the pair's own among them) and k of another,

        L_imi,V = mean_ijk  ||v_i - t_j|| + negative * max(0, margin - ||v_i - t_k||)
        L_imi,T = mean_ijk  ||t_i - v_j|| + negative * max(0, margin - ||t_i - v_k||),   L_imi = (L_V + L_T) / 2

    where the paper sums. A batch of one class has no triplet: its loss is 0, with gradient 0.

    Args:
        image_codes: (n, d_code) codes v.
        text_codes: (n, d_code) codes t.
        labels: (n,) class ids.
        negative: Weight of the codes of other classes (lambda in the paper).
        margin: Distance beyond which these cost nothing (mu in the paper).

    Returns:
        A scalar, in float32.
    """
    distances = torch.cdist(
        image_codes.float()[None], text_codes.float()[None], compute_mode="donot_use_mm_for_euclid_dist"
    )[0]
    same = (labels[:, None] == labels).float()
    other = 1 - same
    positives, negatives = same.sum(dim=-1), other.sum(dim=-1)
    triplets = (positives * negatives).sum().clamp(min=1)
    # Of all triplets of anchor i, one code j is in as many as there are codes k, and the other way round.
    weights = (same * negatives[:, None], negative * other * positives[:, None])
    costs = (distances, (margin - distances).clamp(min=0))
    # Same and other are symmetric, so anchors in the columns (texts) weigh as anchors in the rows do.
    weighted = sum((((w + w.T) / 2) * cost).sum() for w, cost in zip(weights, costs, strict=True))
    return weighted / triplets
