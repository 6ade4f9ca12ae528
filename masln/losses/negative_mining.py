"""Negative mining: which of an anchor's negatives a loss looks at."""

from __future__ import annotations

import torch
from torch import Tensor

from masln.errors import ConfigError, unknown_name

__all__ = ["MINING_RULES", "check_mining", "mine_negatives", "semi_hard_negatives", "top_k_negatives"]

MINING_RULES = ("all", "semi-hard", "hardest", "top-k")


def semi_hard_negatives(similarities: Tensor, positives: Tensor, negatives: Tensor, *, margin: float) -> Tensor:
    """Negatives less similar to the anchor than its positive is, but by less than the margin.

    Schroff, F., Kalenichenko, D., Philbin, J.: FaceNet. CVPR 2015 (with distances there).

    Args:
        similarities: (..., m) of each anchor with its candidates.
        positives: (...) similarity of each anchor with its positive.
        negatives: (..., m), boolean: the candidates that are negatives.
        margin: Of similarity.

    Returns:
        (..., m), boolean; an anchor may be left with none.
    """
    gaps = positives.unsqueeze(-1) - similarities
    return negatives & (gaps > 0) & (gaps < margin)


def top_k_negatives(similarities: Tensor, negatives: Tensor, *, k: int) -> Tensor:
    """The k negatives most similar to the anchor, or all where it has no more; which of equals is open.

    Args:
        similarities: (..., m) of each anchor with its candidates.
        negatives: (..., m), boolean: the candidates that are negatives.
        k: At least 1.

    Returns:
        (..., m), boolean.
    """
    negatives = negatives.expand_as(similarities)
    ranked = similarities.detach().masked_fill(~negatives, -torch.inf)
    best = ranked.topk(min(k, ranked.shape[-1]), dim=-1).indices
    return torch.zeros_like(negatives).scatter(-1, best, True) & negatives


def mine_negatives(
    rule: str, similarities: Tensor, positives: Tensor, negatives: Tensor, *, margin: float = 0.0, top_k: int = 1
) -> Tensor:
    """Choose among an anchor's negatives.

    Args:
        rule: ``all``, ``semi-hard``, ``hardest`` (Faghri et al., BMVC 2018) or ``top-k``.
        similarities: (..., m) of each anchor with its candidates.
        positives: (...) similarity of each anchor with its positive; for ``semi-hard``.
        negatives: (..., m), boolean: the candidates that are negatives.
        margin: For ``semi-hard``.
        top_k: For ``top-k``.

    Returns:
        (..., m), boolean.

    Raises:
        ConfigError: the rule is unknown, or ``top_k`` is below 1.
    """
    check_mining(rule, top_k)
    if rule == "all":
        return negatives.expand_as(similarities)
    if rule == "semi-hard":
        return semi_hard_negatives(similarities, positives, negatives, margin=margin)
    return top_k_negatives(similarities, negatives, k=1 if rule == "hardest" else top_k)


def check_mining(rule: str, top_k: int = 1, *, rules: tuple[str, ...] = MINING_RULES) -> None:
    """ConfigError where the rule is none of ``rules``, or ``top_k`` is below 1."""
    if rule not in rules:
        raise ConfigError(unknown_name("negatives", rule, rules))
    if top_k < 1:
        raise ConfigError(f"top_k must be at least 1, got {top_k}")
