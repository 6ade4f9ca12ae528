"""The training loop, read in one sitting: every deep method goes through it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from torch import nn

from masln.errors import CheckpointError
from masln.progress import progress_bar
from masln.training.batches import Batch, PairBatches
from masln.training.checkpoint import load_checkpoint, random_states, restore_random_states, save_checkpoint
from masln.training.course import Course, State, TrainingResult, add_figures
from masln.training.interrupt import InterruptGuard
from masln.training.objective import GroupOptimisers, Objective
from masln.training.plan import TrainingPlan
from masln.training.runtime import Runtime, autocast

__all__ = ["TrainableNetwork", "TrainingInterruptedError", "train"]


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
        self.fingerprint = fingerprint
        self.trainable: TrainableNetwork = network  # type: ignore[assignment]
        self.optimisers = GroupOptimisers(self.trainable.parameter_groups(), plan)
        self.course = Course(network, plan, runtime, validate)
        self.saved_at = time.monotonic()

    def run(self, title: str) -> TrainingResult:
        course = self.course
        if self.runtime.resume and self.runtime.checkpoint and self.runtime.checkpoint.exists():
            self._restore()
        course.tell({"restart": len(course.history)})
        with (
            InterruptGuard() as guard,
            progress_bar(title, self.plan.last_epoch, show=self.runtime.progress) as advance,
        ):
            advance(course.state.epoch)
            while not course.finished:
                self._run_epoch(guard)
                advance(1, "".join(f"{k} {v:.3f}  " for k, v in course.history[-1].items() if k != "epoch"))
        return course.finish()

    def _run_epoch(self, guard: InterruptGuard) -> None:
        state, plan, n = self.course.state, self.plan, len(self.data)
        batches = plan.batches(n, state.epoch, smallest=getattr(self.network, "smallest_batch", 1))
        steps = len(batches)
        self.network.train()
        for step in range(state.step, steps):
            rows = batches[step]
            self._take_step(self.data.batch(rows), (state.epoch * steps + step) / (plan.epochs * steps), len(rows))
            state.step = step + 1
            if state.step < steps:
                self._save_if_due(guard)
        self.course.end_epoch(n)
        self._save_if_due(guard)

    def _take_step(self, batch: Batch, progress: float, count: int) -> None:
        objectives = self.trainable.objectives(batch, progress)
        learning_rate = self.plan.learning_rate_at(progress)
        while True:
            with autocast(self.runtime.precision, self.data.device):
                objective = next(objectives, None)
            if objective is None:
                return
            self.optimisers.lower(objective.group, objective.loss, learning_rate)
            add_figures(self.course.sums, objective.figures, count)

    def _save_if_due(self, guard: InterruptGuard) -> None:
        path = self.runtime.checkpoint
        due = time.monotonic() - self.saved_at >= self.runtime.checkpoint_seconds
        if path and (due or guard.requested):
            save_checkpoint(path, self._snapshot())
            self.saved_at = time.monotonic()
        if guard.requested:
            where = f"saved to {path}; add --resume to go on" if path else "nothing was to be saved"
            raise TrainingInterruptedError(f"interrupted in epoch {self.course.state.epoch + 1}: {where}")

    def _snapshot(self) -> dict[str, Any]:
        course = self.course
        return {
            "fingerprint": self.fingerprint,
            "state": vars(course.state),
            "network": self.network.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.by_group.items()},
            "best_weights": course.best_weights,
            "history": course.history,
            "sums": course.sums,
            "random": random_states(self.data.device),
        }

    def _restore(self) -> None:
        assert self.runtime.checkpoint is not None
        saved = load_checkpoint(self.runtime.checkpoint, fingerprint=self.fingerprint, device=self.data.device)
        self.network.load_state_dict(saved["network"])
        for name, optimiser in self.optimisers.by_group.items():
            optimiser.load_state_dict(saved["optimisers"][name])
        course = self.course
        course.state = State(**saved["state"])
        course.best_weights, course.history, course.sums = saved["best_weights"], saved["history"], saved["sums"]
        restore_random_states(saved["random"], self.data.device)
