"""Cosines of anchors with their candidates, in both directions: what the contrastive losses are computed from."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from masln.nn import Remembered

__all__ = ["candidate_labels", "candidate_negatives", "cosines_both_ways"]

_SMALLEST_NORM = 1e-6


def cosines_both_ways(first: Tensor, second: Tensor, memory: Remembered | None = None) -> Tensor:
    """Cosines of each code with all codes of the other modality, those of the batch before those of the memory.

    Args:
        first: (n, d_code); each is an anchor of the candidates in ``second``.
        second: (n, d_code); the other way round.
        memory: m more pairs, which are candidates and no anchors.

    Returns:
        (2, n, n + m), in float32, also under mixed precision: bfloat16 has two digits, and a scale of 100 is to come.
        Row i has its own pair in column i.
    """
    with torch.autocast(first.device.type, enabled=False):
        firsts, seconds = first, second
        if memory is not None:
            firsts, seconds = torch.cat([first, memory.first]), torch.cat([second, memory.second])
        firsts, seconds = (functional.normalize(each.float(), dim=-1, eps=_SMALLEST_NORM) for each in (firsts, seconds))
        return torch.stack([firsts[: len(first)] @ seconds.T, seconds[: len(second)] @ firsts.T])


def candidate_labels(labels: Tensor, memory: Remembered | None = None) -> Tensor:
    """Class ids (n + m,) of the candidates."""
    return labels if memory is None else torch.cat([labels, memory.labels])


def candidate_negatives(labels: Tensor, memory: Remembered | None = None, *, mask_same_class: bool) -> Tensor:
    """Which candidates are not an anchor's own: all but its pair, or, masked, all of other classes.

    Returns:
        (n, n + m), boolean.
    """
    others = candidate_labels(labels, memory)
    if mask_same_class:
        return labels[:, None] != others
    return ~torch.eye(len(labels), len(others), dtype=torch.bool, device=labels.device)
