"""Course: how far the training of one network has come, its figures epoch by epoch, and its best weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from masln.errors import DataError
from masln.training.plan import TrainingPlan
from masln.training.runtime import Runtime

__all__ = ["Course", "State", "TrainingResult", "add_figures"]


@dataclass(frozen=True)
class TrainingResult:
    """What training came to.

    Attributes:
        history: One dictionary of mean figures an epoch.
        best_epoch: Epochs after which the kept weights stood; the last without early stopping.
        best_score: Their validation score; None without validation.
    """

    history: list[dict[str, float]]
    best_epoch: int
    best_score: float | None


@dataclass
class State:
    """Where a run stands; together with weights, optimisers and random states, the checkpoint."""

    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_score: float | None = None


class Course:
    """The course of one network's training.

    Args:
        network: What is trained.
        plan: How long, and with how much patience.
        runtime: Who is told.
        validate: Scores the network as it stands, higher is better; called after every epoch.
    """

    def __init__(
        self, network: nn.Module, plan: TrainingPlan, runtime: Runtime, validate: Callable[[], float] | None
    ) -> None:
        self.network, self.plan, self.runtime, self.validate = network, plan, runtime, validate
        self.state = State()
        self.best_weights: dict[str, Tensor] | None = None
        self.history: list[dict[str, float]] = []
        self.sums: dict[str, Tensor] = {}

    @property
    def finished(self) -> bool:
        """Whether all epochs have run, or patience is at its end."""
        waited = self.state.epoch - self.state.best_epoch
        impatient = bool(self.validate and self.plan.patience and waited >= self.plan.patience)
        return impatient or self.state.epoch >= self.plan.last_epoch

    def end_epoch(self, n: int) -> None:
        """Average the figures that were summed over n pairs, validate, and tell.

        Raises:
            DataError: a figure is not finite.
        """
        state = self.state
        figures = {name: float(value) / n for name, value in self.sums.items()}
        broken = [name for name, value in figures.items() if not math.isfinite(value)]
        if broken:
            raise DataError(
                f"the {broken[0]} loss is not finite in epoch {state.epoch + 1}; "
                f"lower the learning rate, set clip_norm, or look at the scale of the features"
            )
        self.sums, state.step, state.epoch = {}, 0, state.epoch + 1
        if self.validate:
            self.network.eval()
            score = figures["validation_map"] = self.validate()
            if not self.plan.patience:
                state.best_score, state.best_epoch = score, state.epoch
            elif state.best_score is None or score > state.best_score:
                state.best_score, state.best_epoch = score, state.epoch
                self.best_weights = copy.deepcopy(self.network.state_dict())
        self.history.append({"epoch": state.epoch, **figures})
        self.tell(self.history[-1])

    def tell(self, event: dict[str, Any]) -> None:
        """Tell the trackers of an event."""
        for tracker in self.runtime.trackers:
            tracker(event)

    def finish(self) -> TrainingResult:
        """Put the kept weights back, and say what training came to."""
        if self.best_weights is not None:
            self.network.load_state_dict(self.best_weights)
        self.network.eval()
        best = self.state.best_epoch if self.validate else self.state.epoch
        return TrainingResult(self.history, best, self.state.best_score)


def add_figures(sums: dict[str, Tensor], figures: dict[str, Tensor], count: int) -> None:
    """Add the figures of ``count`` pairs to sums over pairs, in float64 where the device has it."""
    for name, value in figures.items():
        value = value.detach().to(torch.float32 if value.device.type == "mps" else torch.float64) * count
        sums[name] = sums[name] + value if name in sums else value
