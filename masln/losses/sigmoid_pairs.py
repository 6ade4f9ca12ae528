"""Sigmoid loss: each candidate apart is judged to be an anchor's own pair, or not."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from masln.losses.cosine import candidate_negatives, cosines_both_ways
from masln.losses.negative_mining import mine_negatives
from masln.nn import Remembered

__all__ = ["sigmoid_pairs_loss"]


def sigmoid_pairs_loss(
    first: Tensor,
    second: Tensor,
    labels: Tensor,
    *,
    scale: Tensor | float,
    bias: Tensor | float,
    mask_same_class: bool = False,
    negatives: str = "all",
    top_k: int = 1,
    memory: Remembered | None = None,
) -> Tensor:
    """The loss of SigLIP, averaged over the two modalities of the anchor.

    With cosines s_ij of code i of one modality and j of the other, and N(i) the negatives of i,

        L = mean_i  log(1 + exp(-scale s_ii - bias)) + sum_{k in N(i)} log(1 + exp(scale s_ik + bias))

    (Zhai, X., Mustafa, B., Kolesnikov, A., Beyer, L.: Sigmoid loss for language image pre-training. ICCV 2023, eq. of
    section 3.2; the two directions differ by what is mined or remembered alone).

    Args:
        first: (n, d_code) codes.
        second: (n, d_code) codes, row by row of the same pairs.
        labels: (n,) class ids.
        scale: One over the temperature, a number or a scalar with a gradient.
        bias: Added to each logit; minus the logarithm of the number of candidates makes up for so many negatives.
        mask_same_class: Take the anchor's class out of its negatives.
        negatives: ``all``, ``hardest`` or ``top-k`` of them by cosine.
        top_k: How many, for ``top-k``.
        memory: More candidates, from earlier batches.

    Returns:
        A scalar, in float32.
    """
    cosines = cosines_both_ways(first, second, memory)
    own = cosines.diagonal(dim1=-2, dim2=-1)
    others = candidate_negatives(labels, memory, mask_same_class=mask_same_class)
    others = mine_negatives(negatives, cosines, own, others, top_k=top_k)
    repelled = (functional.softplus(scale * cosines + bias) * others).sum(dim=-1)
    return (functional.softplus(-scale * own - bias) + repelled).mean()
