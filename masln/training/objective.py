"""Objectives: the losses of a training step, and the optimisers of the parameters that minimise them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from masln.training.plan import TrainingPlan

__all__ = ["GroupOptimisers", "Objective"]


class Objective(NamedTuple):
    """One loss and the parameter group that minimises it, with figures to log."""

    group: str
    loss: Tensor
    figures: dict[str, Tensor]


class GroupOptimisers:
    """An AdamW for each group of parameters.

    Args:
        groups: Disjoint groups by name.
        plan: Optimisation settings.
        clip: Scales the gradients of some parameters down to a norm; torch's own by default.

    Attributes:
        by_group: The optimisers.
    """

    def __init__(
        self,
        groups: Mapping[str, Sequence[Tensor]],
        plan: TrainingPlan,
        *,
        clip: Callable[[Sequence[Tensor], float], object] = nn.utils.clip_grad_norm_,
    ) -> None:
        self.groups, self.plan, self.clip = groups, plan, clip
        self.by_group = {
            name: torch.optim.AdamW(
                list(parameters),
                lr=plan.learning_rate,
                betas=(plan.beta1, 0.999),
                weight_decay=plan.weight_decay,
                fused=all(p.device.type in ("cpu", "cuda") for p in parameters),
            )
            for name, parameters in groups.items()
        }

    def lower(self, group: str, loss: Tensor, learning_rate: float) -> None:
        """Take one step of a group against the gradient of a loss."""
        parameters, optimiser = self.groups[group], self.by_group[group]
        optimiser.zero_grad()
        loss.backward(inputs=list(parameters))  # type: ignore[no-untyped-call]
        if self.plan.clip_norm:
            self.clip(parameters, self.plan.clip_norm)
        for settings in optimiser.param_groups:
            settings["lr"] = learning_rate
        optimiser.step()
