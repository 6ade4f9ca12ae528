"""Networks that step together: what each draws, keeps and is clipped to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from masln.training import Batch, NotBatchedError, Objective, RandomStreams, Runtime, train, train_seeds
from masln.training.stacked import clip_each
from tests.training.toy import Toy, changed, data, weights

SEEDS = (3, 8)


class Odd(nn.Module):
    """A layer under two names, a matrix tied to another, a buffer put anew each step, and draws of every kind."""

    def __init__(self) -> None:
        super().__init__()
        shared = nn.Linear(24, 16)
        self.first, self.second = nn.Sequential(shared, nn.Dropout(0.2)), nn.Sequential(nn.Identity(), shared)
        self.tied = nn.Linear(24, 16, bias=False)
        self.tied.weight = shared.weight
        self.register_buffer("seen", torch.zeros(()))
        self.written = nn.BatchNorm1d(16)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"all": list(self.parameters())}

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        text = self.first(batch.image) + self.second(batch.image) + self.tied(batch.image)
        noise = torch.randn(3, device=text.device).sum() + torch.rand_like(text) + torch.randint(4, (16,)).float()
        self.seen = self.seen + batch.labels.float().sum() + torch.randn_like(text).sum()
        error = (self.written(text) - batch.text - 0.1 * noise).square().mean() + 1e-3 * self.seen * text.mean()
        yield Objective("all", error, {"error": error})


class Deciding(Toy):
    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        if batch.image.sum() > 0:
            self.factor = 2.0
        return super().objectives(batch, progress)


def together(kind: type[nn.Module], **values: float) -> list[nn.Module]:
    networks, streams = [], RandomStreams(torch.device("cpu"))
    for seed in SEEDS:
        torch.manual_seed(seed)
        networks.append(kind())
        streams.add()
    plans = [changed(seed=seed, **values) for seed in SEEDS]
    quiet = [Runtime(device="cpu") for _ in SEEDS]
    train_seeds(networks, data(), plans, runtimes=quiet, streams=streams, validate=[None] * len(SEEDS))
    return networks


@pytest.mark.parametrize("kind", [Toy, Odd])
@pytest.mark.parametrize("clip_norm", [0.0, 0.05])
def test_each_network_ends_as_it_would_alone(kind, clip_norm):
    for seed, network in zip(SEEDS, together(kind, clip_norm=clip_norm), strict=True):
        torch.manual_seed(seed)
        reference = kind()
        plan = changed(seed=seed, clip_norm=clip_norm)
        train(reference, data(), plan, runtime=Runtime(device="cpu"), fingerprint="alone")
        for name, value in weights(reference).items():
            assert torch.allclose(value, network.state_dict()[name], atol=2e-5, rtol=1e-4), name


def test_a_network_that_decides_by_values_is_refused():
    with pytest.raises(NotBatchedError, match="Deciding runs alone: "):
        together(Deciding)


def test_draws_are_those_of_each_stream():
    streams = RandomStreams(torch.device("cpu"))
    for seed in SEEDS:
        torch.manual_seed(seed)
        streams.add()

    def drop(number: Tensor) -> Tensor:
        with streams.drawing(number):
            values = functional.dropout(torch.ones(5, device=number.device) * (number + 1), 0.5)
            return values + torch.randperm(5) + torch.rand(5)

    found = torch.func.vmap(drop, randomness="error")(torch.arange(len(SEEDS)))
    for number, seed in enumerate(SEEDS):
        torch.manual_seed(seed)
        expected = functional.dropout(torch.ones(5) * (number + 1), 0.5) + torch.randperm(5) + torch.rand(5)
        assert torch.equal(found[number], expected)


def test_gradients_are_clipped_network_by_network():
    torch.manual_seed(0)
    gradients = [torch.randn(3, 4, 5) * torch.tensor([0.01, 1.0, 9.0]).view(3, 1, 1), torch.randn(3, 2)]
    stacked = [torch.zeros_like(g).requires_grad_() for g in gradients]
    for parameter, gradient in zip(stacked, gradients, strict=True):
        parameter.grad = gradient.clone()
    clip_each(stacked, 2.0)
    for number in range(3):
        own = [torch.zeros_like(g[number]).requires_grad_() for g in gradients]
        for parameter, gradient in zip(own, gradients, strict=True):
            parameter.grad = gradient[number].clone()
        nn.utils.clip_grad_norm_(own, 2.0)
        for parameter, whole in zip(own, stacked, strict=True):
            torch.testing.assert_close(whole.grad[number], parameter.grad)
