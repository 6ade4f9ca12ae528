"""TrainingPlan: how long, how fast and in which order a network learns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real

import torch
from torch import Tensor

from masln.errors import ConfigError, unknown_name

__all__ = ["SCHEDULES", "TrainingPlan"]

SCHEDULES = ("constant", "cosine", "linear")


@dataclass(frozen=True)
class TrainingPlan:
    """Optimisation settings of a deep method.

    Attributes:
        epochs: Passes over the training pairs.
        batch_size: Pairs a step; the last, smaller batch of an epoch is used too (see ``batches``).
        learning_rate: Of AdamW, at its highest.
        weight_decay: Of AdamW, decoupled.
        beta1: Of AdamW; adversarial methods often lower it.
        schedule: ``constant``, ``cosine`` or ``linear`` decay to zero over all steps.
        warmup: Share of all steps over which the learning rate rises linearly.
        clip_norm: Largest norm of a gradient; 0 does not clip.
        patience: Epochs without a better validation score before training stops and goes back to the best one;
            0 never stops early and keeps the last. With two or three validation classes the best epoch is
            mostly noise: it took the very first one on a Wikipedia split, and .13 of unseen mAP with it.
        stop_epoch: Stop after this epoch of the same schedule, as chosen on validation classes; 0 runs all.
        seed: Of the initial weights, the order of the pairs and dropout.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    beta1: float = 0.9
    schedule: str = "cosine"
    warmup: float = 0.0
    clip_norm: float = 0.0
    patience: int = 0
    stop_epoch: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, field in self.__dataclass_fields__.items():
            kind = {"int": Integral, "float": Real, "str": str}[str(field.type)]
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ConfigError(f"{name} must be {field.type}, got {value!r}")
        if self.schedule not in SCHEDULES:
            raise ConfigError(unknown_name("learning-rate schedule", self.schedule, SCHEDULES))
        for name in ("epochs", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("weight_decay", "clip_norm", "patience", "stop_epoch", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}")
        if not (0 <= self.warmup < 1 and 0 <= self.beta1 < 1):
            raise ConfigError(f"warmup {self.warmup} and beta1 {self.beta1} must lie in [0, 1)")

    @property
    def last_epoch(self) -> int:
        """The epoch after which training ends if patience does not end it."""
        return min(self.stop_epoch or self.epochs, self.epochs)

    def learning_rate_at(self, progress: float) -> float:
        """The learning rate at a share ``progress`` in [0, 1] of all steps."""
        if progress < self.warmup:
            return self.learning_rate * progress / self.warmup
        left = (progress - self.warmup) / (1 - self.warmup)
        factor = {
            "constant": 1.0,
            "linear": 1.0 - left,
            "cosine": 0.5 * (1.0 + math.cos(math.pi * left)),
        }[self.schedule]
        return self.learning_rate * factor

    def order(self, n: int, epoch: int) -> Tensor:
        """The order of n pairs in an epoch: a function of seed and epoch, so a resumed run repeats it."""
        generator = torch.Generator().manual_seed(1_000_003 * int(self.seed) + epoch)
        return torch.randperm(n, generator=generator)

    def batches(self, n: int, epoch: int, *, smallest: int = 1) -> list[Tensor]:
        """The batches of n pairs in an epoch, every pair in one of them.

        Args:
            n: Number of pairs.
            epoch: From 0.
            smallest: A last batch with fewer pairs joins the one before it, where there is one.

        Returns:
            The rows of each batch, int64.
        """
        parts = list(torch.split(self.order(n, epoch), self.batch_size))
        if len(parts) > 1 and len(parts[-1]) < smallest:
            parts[-2:] = [torch.cat(parts[-2:])]
        return parts
