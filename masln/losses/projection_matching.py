"""Projection matching loss: a code should project furthest on the other modality's codes of its class."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["projection_matching_loss"]

_SMALLEST = 1e-8


def projection_matching_loss(image: Tensor, text: Tensor, labels: Tensor) -> Tensor:
    """L_cmpm = mean_i KL(p_i || q_i) of images to texts, and the same of texts to images.

    p_ij is the softmax over j of u_i'v_j / ||v_j||, and q_ij is 1 / (number of pairs of i's class) where j is of that
    class, else 0; 1e-8 is added to q, as a logarithm is taken of it (Zhang, Y., Lu, H.: Deep cross-modal projection
    learning for image-text matching. ECCV 2018; the same in the code of JFSE).

    Args:
        image: (n, d_code) codes u.
        text: (n, d_code) codes v.
        labels: (n,) class ids.

    Returns:
        A scalar, in float32.
    """
    same = (labels[:, None] == labels[None, :]).float()
    log_matching = (same / same.sum(dim=1, keepdim=True) + _SMALLEST).log()
    return _divergence(image.float(), text.float(), log_matching) + _divergence(
        text.float(), image.float(), log_matching
    )


def _divergence(own: Tensor, other: Tensor, log_matching: Tensor) -> Tensor:
    # A code of 0 is divided by 1e-6, as in that code: its gradient stays small.
    log_projected = (own @ functional.normalize(other, dim=-1, eps=1e-6).T).log_softmax(dim=-1)
    return (log_projected.exp() * (log_projected - log_matching)).sum(dim=-1).mean()
