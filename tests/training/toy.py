"""A network with two opponents and dropout, small enough to train in a fraction of a second."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from masln.nn import InputScaling
from masln.training import Batch, Objective, PairBatches, Runtime, TrainingPlan, TrainingResult, train
from tests.conftest import make_pairs

PAIRS = make_pairs(classes=3, per_class=9)
PLAN = TrainingPlan(epochs=4, batch_size=8, learning_rate=0.01, weight_decay=0.01, seed=3)


class Toy(nn.Module):
    """Image to text by a linear map with dropout; an opponent guesses the label from what was drawn."""

    def __init__(self, d_image: int = 24, d_text: int = 16) -> None:
        super().__init__()
        self.map = nn.Sequential(nn.Dropout(0.3), nn.Linear(d_image, d_text))
        self.opponent = nn.Linear(d_text, 3)
        self.batches: list[Batch] = []
        self.progress: list[float] = []
        self.factor = 1.0

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"map": list(self.map.parameters()), "opponent": list(self.opponent.parameters())}

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        self.batches.append(batch)
        self.progress.append(progress)
        drawn = self.map(batch.image)
        error = (drawn.float() - batch.text).square().mean() * self.factor
        yield Objective("map", error, {"error": error})
        guess = nn.functional.cross_entropy(self.opponent(drawn.detach()).float(), batch.labels)
        yield Objective("opponent", guess, {"guess": guess})


class StopError(Exception):
    """A crash in the middle of training."""


def crash_at(epoch: int) -> Callable[[Any], None]:
    """A tracker that fails as soon as it is told of this epoch."""

    def tracker(event: Any) -> None:
        if event.get("epoch") == epoch:
            raise StopError

    return tracker


def data(*, memory_bytes: int = 2**30, scaling: str = "center-l2") -> PairBatches:
    scalings = [InputScaling(scaling, X.shape[1]).fit(X) for X in (PAIRS.image, PAIRS.text)]
    return PairBatches(PAIRS, *scalings, device=torch.device("cpu"), memory_bytes=memory_bytes)


def learn(
    plan: TrainingPlan = PLAN,
    *,
    batches: PairBatches | None = None,
    network: Toy | None = None,
    validate: Callable[[Toy], float] | None = None,
    fingerprint: str = "toy",
    **runtime: Any,
) -> tuple[Toy, TrainingResult]:
    """Train a toy from the plan's seed."""
    torch.manual_seed(plan.seed)
    network = network or Toy()
    result = train(
        network,
        batches or data(),
        plan,
        runtime=Runtime(device="cpu", **runtime),
        fingerprint=fingerprint,
        validate=None if validate is None else lambda: validate(network),
    )
    return network, result


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def assert_same(first: nn.Module, second: nn.Module) -> None:
    """Equal weights, bit for bit."""
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def changed(**values: Any) -> TrainingPlan:
    return dataclasses.replace(PLAN, **values)


def checkpoint_in(folder: Path) -> Path:
    return folder / "checkpoint.pt"
