"""Matching loss: a pair that belongs together should score above pairs that do not."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from masln.errors import ConfigError, unknown_name

__all__ = ["MATCHING_LOSSES", "matching_loss"]

MATCHING_LOSSES = ("triplet", "softmax", "binary")


def matching_loss(
    matched: Tensor, unmatched: Tensor, *, kind: str, margin: float = 0.0, valid: Tensor | None = None
) -> Tensor:
    """The loss of joint scores of n pairs, and of m pairs made of a part of each and a part of another.

    With scores p_i and q_ij, over the valid (i, j),

        triplet  L = mean_i   max(0, margin + max_j q_ij - p_i)
        softmax  L = mean_i   -log exp(p_i) / (exp(p_i) + sum_j exp(q_ij))
        binary   L = mean     softplus(-p_i) and softplus(q_ij), each the half of it

    ``triplet``, with the hardest negatives, is that of SCAN (Lee et al., ECCV 2018, eq. 12; a sum there); ``binary`` is
    the image-text matching of ALBEF (Li et al., NeurIPS 2021), a pair and its negatives weighing the same however many
    these are (ours); ``softmax`` is InfoNCE over the pairs that were scored.

    Args:
        matched: (n,) scores p, logits for ``softmax`` and ``binary``.
        unmatched: (n, m) scores q.
        kind: One of ``MATCHING_LOSSES``.
        margin: Of ``triplet``.
        valid: (n, m) bool, which of ``unmatched`` count; None: all do.

    Returns:
        A scalar, in float32; 0, with gradient 0, where nothing is valid (``binary``: the half of the matched).

    Raises:
        ConfigError: unknown kind.
    """
    if kind not in MATCHING_LOSSES:
        raise ConfigError(unknown_name("matching loss", kind, MATCHING_LOSSES))
    matched, unmatched = matched.float(), unmatched.float()
    counted = unmatched.new_ones(unmatched.shape) if valid is None else valid.float()
    count = counted.sum().clamp(min=1)
    if kind == "binary":
        return (functional.softplus(-matched).mean() + (counted * functional.softplus(unmatched)).sum() / count) / 2
    unmatched = unmatched.masked_fill(counted == 0, -torch.inf)
    if kind == "triplet":
        return (margin + unmatched.amax(dim=1) - matched).clamp(min=0).mean()
    logits = torch.cat([matched[:, None], unmatched], dim=1)
    return functional.cross_entropy(logits, torch.zeros_like(logits[:, 0], dtype=torch.long))
