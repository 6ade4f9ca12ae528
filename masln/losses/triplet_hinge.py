"""Triplet hinge loss across modalities: a code should be nearer to its class than to another, by a margin."""

from __future__ import annotations

from torch import Tensor

__all__ = ["triplet_hinge_loss"]


def triplet_hinge_loss(
    image_codes: Tensor, text_codes: Tensor, labels: Tensor, *, positive: float, margin: float
) -> Tensor:
    """The triplet loss of ACMR's public script, over all triplets of the batch and both modalities of the anchor.

    With anchors i, codes j of the other modality of the same class (the pair's own among them) and k of another,

        L_V = mean_ijk  max(0, margin + positive * ||v_i - t_j||^2 / 2 - ||v_i - t_k||^2 / 2),   L = (L_V + L_T) / 2

    and L_T the same with image and text exchanged. The script draws one triplet an anchor and takes the hinge of the
    batch's sum; here each triplet has its own (ours). Time and memory grow with the third power of the batch.

    Args:
        image_codes: (n, d_code) codes v.
        text_codes: (n, d_code) codes t.
        labels: (n,) class ids.
        positive: Weight of the distance to the code of the same class.
        margin: By which the other one should be further away.

    Returns:
        A scalar, in float32; 0, with gradient 0, for a batch of one class.
    """
    image, text = image_codes.float(), text_codes.float()
    halves = (image[:, None] - text).square().sum(dim=-1) / 2
    same = labels[:, None] == labels
    triplets = (same[:, :, None] & ~same[:, None, :]).float()
    total = halves.new_zeros(())
    for distances in (halves, halves.T):
        costs = (margin + positive * distances[:, :, None] - distances[:, None, :]).clamp(min=0)
        total = total + (triplets * costs).sum()
    return total / (2 * triplets.sum().clamp(min=1))
