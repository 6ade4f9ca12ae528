"""Supervised contrastive loss: of all candidates, the softmax should choose those of the anchor's class, evenly."""

from __future__ import annotations

from torch import Tensor

from masln.losses.cosine import candidate_labels, cosines_both_ways
from masln.nn import Remembered

__all__ = ["supervised_contrastive_loss"]


def supervised_contrastive_loss(
    first: Tensor, second: Tensor, labels: Tensor, *, scale: Tensor | float, memory: Remembered | None = None
) -> Tensor:
    """L_out of SupCon, across modalities, averaged over the two modalities of the anchor.

    With cosines s_ij of code i of one modality and j of the other, and P(i) the candidates of i's class, its own pair
    among them,

        L = mean_i  1/|P(i)| sum_{p in P(i)}  -log  exp(scale s_ip) / sum_k exp(scale s_ik)

    (Khosla, P., et al.: Supervised contrastive learning. NeurIPS 2020, eq. 2). There, anchors and candidates are views
    of pictures; here, they are of different modalities (ours).

    Args:
        first: (n, d_code) codes.
        second: (n, d_code) codes, row by row of the same pairs.
        labels: (n,) class ids.
        scale: One over the temperature, a number or a scalar with a gradient.
        memory: More candidates, from earlier batches.

    Returns:
        A scalar, in float32.
    """
    log_chosen = (scale * cosines_both_ways(first, second, memory)).log_softmax(dim=-1)
    same = (labels[:, None] == candidate_labels(labels, memory)).float()
    return -((same * log_chosen).sum(dim=-1) / same.sum(dim=-1)).mean()
