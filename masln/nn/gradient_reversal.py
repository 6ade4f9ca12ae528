"""Gradient reversal: identity forward, minus lambda times the gradient backward."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

__all__ = ["reversal_schedule", "reverse_gradient"]


class _ReverseGradient(torch.autograd.Function):
    generate_vmap_rule = True  # so that seeds can train in one pass

    @staticmethod
    def forward(x: Tensor, strength: float) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.strength = inputs[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse_gradient(x: Tensor, strength: float) -> Tensor:
    """Pass x unchanged; its gradient comes back times ``-strength`` (Ganin et al., JMLR 2016, eq. 13-14)."""
    return _ReverseGradient.apply(x, strength)  # type: ignore[no-any-return,no-untyped-call]


def reversal_schedule(progress: float) -> float:
    """2 / (1 + exp(-10 p)) - 1 for training progress p in [0, 1] (Ganin et al., JMLR 2016, section 5.2)."""
    return 2.0 / (1.0 + math.exp(-10.0 * progress)) - 1.0
