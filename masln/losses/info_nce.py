"""InfoNCE: of all candidates, the softmax of the similarities should choose an anchor's own pair."""

from __future__ import annotations

import torch
from torch import Tensor

from masln.losses.cosine import candidate_negatives, cosines_both_ways
from masln.losses.negative_mining import mine_negatives
from masln.nn import Remembered

__all__ = ["info_nce_loss"]


def info_nce_loss(
    first: Tensor,
    second: Tensor,
    labels: Tensor,
    *,
    scale: Tensor | float,
    mask_same_class: bool = False,
    negatives: str = "all",
    top_k: int = 1,
    memory: Remembered | None = None,
) -> Tensor:
    """L_nce, averaged over the pairs of the batch and over the two modalities of the anchor.

    With cosines s_ij of code i of one modality and j of the other, and N(i) the negatives of i,

        L = mean_i  -log  exp(scale s_ii) / (exp(scale s_ii) + sum_{k in N(i)} exp(scale s_ik))

    (van den Oord, A., Li, Y., Vinyals, O.: Representation learning with contrastive predictive coding. 2018; both ways
    across modalities as in CLIP, Radford et al., ICML 2021).

    Args:
        first: (n, d_code) codes.
        second: (n, d_code) codes, row by row of the same pairs.
        labels: (n,) class ids.
        scale: One over the temperature, a number or a scalar with a gradient.
        mask_same_class: Take the anchor's class out of its negatives.
        negatives: ``all``, ``hardest`` or ``top-k`` of them by cosine.
        top_k: How many, for ``top-k``.
        memory: More candidates, from earlier batches.

    Returns:
        A scalar, in float32; an anchor without negatives adds 0.
    """
    cosines = cosines_both_ways(first, second, memory)
    own = cosines.diagonal(dim1=-2, dim2=-1)
    others = candidate_negatives(labels, memory, mask_same_class=mask_same_class)
    others = mine_negatives(negatives, cosines, own, others, top_k=top_k)
    chosen = others | torch.eye(*others.shape[-2:], dtype=torch.bool, device=others.device)
    logits = (scale * cosines).masked_fill(~chosen, -torch.inf)
    return (logits.logsumexp(dim=-1) - scale * own).mean()
