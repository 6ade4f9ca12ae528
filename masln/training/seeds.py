"""The training loop of several seeds in one pass: the networks step together, and each keeps a course of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from masln.errors import MaslnError
from masln.progress import progress_bar
from masln.training.batches import Batch, PairBatches
from masln.training.course import Course, TrainingResult, add_figures
from masln.training.interrupt import InterruptGuard
from masln.training.loop import TrainingInterruptedError
from masln.training.objective import GroupOptimisers, Objective
from masln.training.plan import TrainingPlan
from masln.training.random_streams import RandomStreams
from masln.training.runtime import Runtime
from masln.training.stacked import StackedNetworks, clip_each

__all__ = ["NotBatchedError", "train_seeds"]


class NotBatchedError(MaslnError):
    """What these networks compute cannot be computed for several of them at once."""


def train_seeds(
    networks: Sequence[nn.Module],
    data: PairBatches,
    plans: Sequence[TrainingPlan],
    *,
    runtimes: Sequence[Runtime],
    streams: RandomStreams,
    validate: Sequence[Callable[[], float] | None],
    title: str = "training",
) -> list[TrainingResult]:
    """Train networks of several seeds in place, each as ``train`` would alone, up to rounding.

    The order of the pairs and all that is drawn are those of each seed. With patience, a network whose own is at its
    end stops there, whatever becomes of the others. There are no checkpoints: a pass that is stopped starts anew.

    Args:
        networks: Alike but for their values, on the device of ``data``.
        data: The training pairs.
        plans: Of each network; they differ in the seed alone.
        runtimes: Of each network: who is told. The first says whether progress is shown.
        streams: Random streams of the networks, as each stands before the first step.
        validate: For each network, what scores it as it stands.
        title: Of the progress bar.

    Raises:
        NotBatchedError: their objectives do what cannot be done for several networks at once; they are then spoilt.
        DataError: a loss is no longer finite.
        TrainingInterruptedError: Ctrl-C.
    """
    stack = StackedNetworks(networks, streams)
    optimisers = GroupOptimisers(stack.groups(), plans[0], clip=clip_each)
    courses = [
        Course(network, plan, runtime, own)
        for network, plan, runtime, own in zip(networks, plans, runtimes, validate, strict=True)
    ]
    for course in courses:
        course.tell({"restart": 0})
    with (
        InterruptGuard() as guard,
        progress_bar(f"{title}, {len(courses)} seeds", plans[0].last_epoch, show=runtimes[0].progress) as advance,
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="There is a performance drop")  # an operation that vmap only repeats
        for epoch in range(plans[0].last_epoch):
            sums = _run_epoch(stack, optimisers, data, plans, epoch, guard)
            for number, course in enumerate(courses):
                if not course.finished:
                    course.sums = {name: values[number] for name, values in sums.items()}
                    course.end_epoch(len(data))
            advance(1)
            if all(course.finished for course in courses):
                break
    stack.part()
    return [course.finish() for course in courses]


def _run_epoch(
    stack: StackedNetworks,
    optimisers: GroupOptimisers,
    data: PairBatches,
    plans: Sequence[TrainingPlan],
    epoch: int,
    guard: InterruptGuard,
) -> dict[str, Tensor]:
    """Take the steps of an epoch; the sums of figures over the pairs, (networks,) each."""
    smallest = getattr(stack.networks[0], "smallest_batch", 1)
    of_each = [own.batches(len(data), epoch, smallest=smallest) for own in plans]
    batches = [torch.stack(rows) for rows in zip(*of_each, strict=True)]
    steps, plan = len(batches), plans[0]
    sums: dict[str, Tensor] = {}
    for network in stack.networks:
        network.train()
    for step, rows in enumerate(batches):
        progress = (epoch * steps + step) / (plan.epochs * steps)

        def take(objective: Objective, progress: float = progress, count: int = rows.shape[1]) -> None:
            # The gradient of the sum, in the weights of one network, is that of its own loss.
            optimisers.lower(objective.group, objective.loss.sum(), plan.learning_rate_at(progress))
            add_figures(sums, objective.figures, count)

        try:
            stack.step(_stacked(data, rows), progress, take)
        except (RuntimeError, ValueError, NotImplementedError) as error:  # torch has no error of its own for this
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise NotBatchedError(f"{type(stack.networks[0]).__name__} runs alone: {reason}") from error
        if guard.requested:
            raise TrainingInterruptedError(
                f"interrupted in epoch {epoch + 1}: seeds in one pass are not saved midway and start anew; add --resume"
            )
    return sums


def _stacked(data: PairBatches, rows: Tensor) -> Batch:
    """The batches of rows (k, n), field by field (k, n, ...)."""
    batch = data.batch(rows.flatten())
    if batch.teacher is not None:
        raise ValueError("each seed may have a teacher of its own")
    fields = {name: value for name, value in batch._asdict().items() if value is not None}
    return batch._replace(**{name: value.unflatten(0, rows.shape) for name, value in fields.items()})
