"""The training loop, read in one sitting: every deep method goes through it."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from masln.errors import CheckpointError, DataError
from masln.progress import progress_bar
from masln.training.batches import Batch, PairBatches
from masln.training.checkpoint import load_checkpoint, random_states, restore_random_states, save_checkpoint
from masln.training.interrupt import InterruptGuard
from masln.training.plan import TrainingPlan
from masln.training.runtime import Runtime, autocast

__all__ = ["Objective", "TrainableNetwork", "TrainingInterruptedError", "TrainingResult", "train"]


class Objective(NamedTuple):
    """One loss and the parameter group that minimises it, with figures to log."""

    group: str
    loss: Tensor
    figures: dict[str, Tensor]


class TrainableNetwork(Protocol):
    """What the loop asks of a network besides being an ``nn.Module``.

    An attribute ``smallest_batch``, where there is one, is the fewest pairs that its losses make sense of: a last
    batch with fewer is joined to the one before it.
    """

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Disjoint groups by name; each has its own optimiser."""

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        """Yield the objectives of a step in turn; the group is updated before the next one is asked for."""


class TrainingInterruptedError(CheckpointError):
    """Ctrl-C: the state is saved and the run can be resumed."""


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
class _State:
    """Where a run stands; together with weights, optimisers and random states, the checkpoint."""

    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_score: float | None = None


def train(
    network: nn.Module,
    data: PairBatches,
    plan: TrainingPlan,
    *,
    runtime: Runtime,
    fingerprint: str,
    validate: Callable[[], float] | None = None,
    title: str = "training",
) -> TrainingResult:
    """Train a network in place; with ``validate`` and patience it ends with the best validation epoch's weights.

    Args:
        network: An ``nn.Module`` that is a ``TrainableNetwork``, on the device of ``data``.
        data: The training pairs.
        plan: Optimisation settings.
        runtime: Precision, checkpoint, trackers, progress.
        fingerprint: Names the configuration and data; a checkpoint of another one is refused.
        validate: Scores the network as it stands, higher is better; called after every epoch.
        title: Of the progress bar.

    Raises:
        DataError: a loss is no longer finite.
        CheckpointError: the checkpoint cannot be written, or is not of this run.
        TrainingInterruptedError: Ctrl-C.
    """
    return _Training(network, data, plan, runtime, fingerprint, validate).run(title)


class _Training:
    def __init__(
        self,
        network: nn.Module,
        data: PairBatches,
        plan: TrainingPlan,
        runtime: Runtime,
        fingerprint: str,
        validate: Callable[[], float] | None,
    ) -> None:
        self.network, self.data, self.plan, self.runtime = network, data, plan, runtime
        self.fingerprint, self.validate = fingerprint, validate
        self.trainable: TrainableNetwork = network  # type: ignore[assignment]
        self.groups = self.trainable.parameter_groups()
        self.optimisers = {
            name: torch.optim.AdamW(
                parameters,
                lr=plan.learning_rate,
                betas=(plan.beta1, 0.999),
                weight_decay=plan.weight_decay,
                fused=data.device.type in ("cpu", "cuda"),
            )
            for name, parameters in self.groups.items()
        }
        self.state = _State()
        self.best_weights: dict[str, Tensor] | None = None
        self.history: list[dict[str, float]] = []
        self.sums: dict[str, Tensor] = {}
        self.saved_at = time.monotonic()
        self.sum_type = torch.float32 if data.device.type == "mps" else torch.float64  # mps has no float64

    def run(self, title: str) -> TrainingResult:
        if self.runtime.resume and self.runtime.checkpoint and self.runtime.checkpoint.exists():
            self._restore()
        self._tell({"restart": len(self.history)})
        with (
            InterruptGuard() as guard,
            progress_bar(title, self.plan.last_epoch, show=self.runtime.progress) as advance,
        ):
            advance(self.state.epoch)
            while self.state.epoch < self.plan.last_epoch and not self._out_of_patience():
                self._run_epoch(guard)
                advance(1, "".join(f"{k} {v:.3f}  " for k, v in self.history[-1].items() if k != "epoch"))
        if self.best_weights is not None:
            self.network.load_state_dict(self.best_weights)
        self.network.eval()
        best = self.state.best_epoch if self.validate else self.state.epoch
        return TrainingResult(self.history, best, self.state.best_score)

    def _run_epoch(self, guard: InterruptGuard) -> None:
        state, plan, n = self.state, self.plan, len(self.data)
        batches = plan.batches(n, state.epoch, smallest=getattr(self.network, "smallest_batch", 1))
        steps = len(batches)
        self.network.train()
        for step in range(state.step, steps):
            rows = batches[step]
            self._take_step(self.data.batch(rows), (state.epoch * steps + step) / (plan.epochs * steps), len(rows))
            state.step = step + 1
            if state.step < steps:
                self._save_if_due(guard)
        self._end_epoch(n)
        self._save_if_due(guard)

    def _take_step(self, batch: Batch, progress: float, count: int) -> None:
        objectives = self.trainable.objectives(batch, progress)
        learning_rate = self.plan.learning_rate_at(progress)
        while True:
            with autocast(self.runtime.precision, self.data.device):
                objective = next(objectives, None)
            if objective is None:
                return
            parameters, optimiser = self.groups[objective.group], self.optimisers[objective.group]
            optimiser.zero_grad()
            objective.loss.backward(inputs=parameters)  # type: ignore[no-untyped-call]
            if self.plan.clip_norm:
                nn.utils.clip_grad_norm_(parameters, self.plan.clip_norm)
            for settings in optimiser.param_groups:
                settings["lr"] = learning_rate
            optimiser.step()
            for name, value in objective.figures.items():
                value = value.detach().to(self.sum_type) * count
                self.sums[name] = self.sums[name] + value if name in self.sums else value

    def _end_epoch(self, n: int) -> None:
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
        self._tell(self.history[-1])

    def _out_of_patience(self) -> bool:
        waited = self.state.epoch - self.state.best_epoch
        return bool(self.validate and self.plan.patience and waited >= self.plan.patience)

    def _tell(self, event: dict[str, Any]) -> None:
        for tracker in self.runtime.trackers:
            tracker(event)

    def _save_if_due(self, guard: InterruptGuard) -> None:
        path = self.runtime.checkpoint
        due = time.monotonic() - self.saved_at >= self.runtime.checkpoint_seconds
        if path and (due or guard.requested):
            save_checkpoint(path, self._snapshot())
            self.saved_at = time.monotonic()
        if guard.requested:
            where = f"saved to {path}; add --resume to go on" if path else "nothing was to be saved"
            raise TrainingInterruptedError(f"interrupted in epoch {self.state.epoch + 1}: {where}")

    def _snapshot(self) -> dict[str, Any]:
        return {
            "fingerprint": self.fingerprint,
            "state": vars(self.state),
            "network": self.network.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "best_weights": self.best_weights,
            "history": self.history,
            "sums": self.sums,
            "random": random_states(self.data.device),
        }

    def _restore(self) -> None:
        assert self.runtime.checkpoint is not None
        saved = load_checkpoint(self.runtime.checkpoint, fingerprint=self.fingerprint, device=self.data.device)
        self.network.load_state_dict(saved["network"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(saved["optimisers"][name])
        self.state = _State(**saved["state"])
        self.best_weights, self.history, self.sums = saved["best_weights"], saved["history"], saved["sums"]
        restore_random_states(saved["random"], self.data.device)
