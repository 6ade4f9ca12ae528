"""Mined triplet loss: an anchor should be nearer to its positive than to chosen negatives, by a margin of cosine."""

from __future__ import annotations

import torch
from torch import Tensor

from masln.losses.cosine import candidate_labels, candidate_negatives, cosines_both_ways
from masln.losses.negative_mining import mine_negatives
from masln.nn import Remembered

__all__ = ["mined_triplet_loss"]


def mined_triplet_loss(
    first: Tensor,
    second: Tensor,
    labels: Tensor,
    *,
    margin: float,
    negatives: str = "hardest",
    top_k: int = 1,
    mask_same_class: bool = True,
    class_positives: bool = False,
    memory: Remembered | None = None,
) -> Tensor:
    """The mean hinge of all triplets that a rule chooses, anchors of both modalities.

    With cosines s_ij of code i of one modality and j of the other, anchors i, positives j, and N(i, j) the negatives
    that the rule chooses,

        L = mean_{i, j, k in N(i, j)}  max(0, margin + s_ik - s_ij)

    ``hardest`` is the maximum of hinges of VSE++ (Faghri, F., Fleet, D. J., Kiros, J. R., Fidler, S.: VSE++. BMVC 2018,
    eq. 6), ``all`` its sum of hinges; both are sums over the batch there. ``semi-hard`` is that of FaceNet (Schroff et
    al., CVPR 2015).

    Args:
        first: (n, d_code) codes.
        second: (n, d_code) codes, row by row of the same pairs.
        labels: (n,) class ids.
        margin: Of cosine.
        negatives: A rule of ``mine_negatives``.
        top_k: How many, for ``top-k``.
        mask_same_class: Take the anchor's class out of its negatives.
        class_positives: All candidates of the anchor's class are positives, not its own pair alone; asks for
            ``mask_same_class``. Time and memory then grow with the third power of the batch.
        memory: More candidates, from earlier batches.

    Returns:
        A scalar, in float32; 0, with gradient 0, where no triplet is chosen.
    """
    cosines = cosines_both_ways(first, second, memory)
    others = candidate_negatives(labels, memory, mask_same_class=mask_same_class or class_positives)
    if class_positives:
        anchors, positives = (labels[:, None] == candidate_labels(labels, memory)).nonzero(as_tuple=True)
        near, cosines, others = cosines[:, anchors, positives], cosines[:, anchors], others[anchors]
    else:
        near = cosines.diagonal(dim1=-2, dim2=-1)
    chosen = mine_negatives(negatives, cosines.detach(), near.detach(), others, margin=margin, top_k=top_k)
    hinges = (margin + cosines - near.unsqueeze(-1)).clamp(min=0)
    return torch.where(chosen, hinges, 0.0).sum() / chosen.sum().clamp(min=1)
