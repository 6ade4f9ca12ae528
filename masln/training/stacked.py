"""StackedNetworks: networks alike but for their weights, of which one pass makes the step of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.func import vmap

from masln.training.batches import Batch
from masln.training.loop import TrainableNetwork
from masln.training.objective import Objective
from masln.training.random_streams import RandomStreams

__all__ = ["StackedNetworks", "clip_each"]

#: What is done with the losses (k,) and figures (k,) of an objective.
Take = Callable[[Objective], None]


class StackedNetworks:
    """The parameters and buffers of k networks, each stacked to one tensor, and the step of all at once.

    The networks' own objectives run under ``torch.func.vmap``, once for all of them; products of matrices become
    batched ones. From then on the networks hold views of the stack, so each stands as it is trained and can be
    validated like any other. Matrices are stacked transposed: so the gradients of ``x @ W.T`` lie in memory as the
    weights do, and need not be copied (a sixth of a step).

    Args:
        networks: Alike but for their values, on one device.
        streams: A random stream for each.
    """

    def __init__(self, networks: Sequence[nn.Module], streams: RandomStreams) -> None:
        self.networks, self.streams = networks, streams
        self.places = _places(networks[0])
        self.leaves = {
            name: torch.stack([_turned(p.detach()) for p in same]).requires_grad_(same[0].requires_grad)
            for name, same in _aligned(network.named_parameters() for network in networks).items()
        }
        self.buffers = {
            name: torch.stack(same) for name, same in _aligned(network.named_buffers() for network in networks).items()
        }
        for number, network in enumerate(networks):
            for name, parameter in network.named_parameters():
                parameter.data = _turned(self.leaves[name].detach()[number])
            for name, buffer in network.named_buffers():
                buffer.data = self.buffers[name][number]

    def groups(self) -> dict[str, list[Tensor]]:
        """The stacked parameters by the groups of the networks."""
        network: TrainableNetwork = self.networks[0]  # type: ignore[assignment]
        names = {id(parameter): name for name, parameter in self.networks[0].named_parameters()}
        return {
            group: [self.leaves[names[id(parameter)]] for parameter in parameters]
            for group, parameters in network.parameter_groups().items()
        }

    def step(self, batch: Batch, progress: float, take: Take) -> None:
        """Ask for the objectives of a step in turn, for all networks at once.

        Args:
            batch: Of each network, stacked: a field has one dimension more in front.
            progress: Of training, in [0, 1].
            take: Is given each objective, its loss and figures (k,), before the next one is asked for.

        Raises:
            RuntimeError: the objectives do what cannot be done for several networks at once, such as deciding by a
                value; torch's words say what.
        """
        tensors = {name: _turned(leaf, matrix=3) for name, leaf in self.leaves.items()} | self.buffers
        fields = {name: value for name, value in batch._asdict().items() if value is not None}
        numbers = torch.arange(len(self.networks), device=batch.image.device)

        def one(tensors: dict[str, Tensor], fields: dict[str, Any], number: Tensor) -> Tensor:
            own = Batch(**{**dict.fromkeys(Batch._fields), **fields})
            with self._holding(tensors):
                self._follow(own, progress, take, self.streams.drawing(number))
            return number

        vmap(one, randomness="error")(tensors, fields, numbers)

    def _follow(self, batch: Batch, progress: float, take: Take, drawing: AbstractContextManager[Any]) -> None:
        network: TrainableNetwork = self.networks[0]  # type: ignore[assignment]
        objectives = network.objectives(batch, progress)
        while True:
            with drawing:
                objective = next(objectives, None)
            if objective is None:
                return
            group, names = objective.group, list(objective.figures)

            def receive(loss: Tensor, *figures: Tensor, group: str = group, names: list[str] = names) -> None:
                take(Objective(group, loss, dict(zip(names, figures, strict=True))))

            _Hand.apply(receive, objective.loss, *objective.figures.values())  # type: ignore[no-untyped-call]

    @contextmanager
    def _holding(self, tensors: dict[str, Tensor]) -> Iterator[None]:
        """The first network with these in the place of its parameters and buffers.

        ``torch.func.functional_call`` would do, but leaves a module that two others share with what it was called with.
        """
        held = [store[key] for store, key, _ in self.places]
        try:
            for store, key, name in self.places:
                store[key] = tensors[name]
            yield
            with torch.no_grad():
                for store, key, name in self.places:
                    if store[key] is not tensors[name]:  # a buffer that was put in its place, not written to
                        tensors[name].copy_(store[key])
        finally:
            for (store, key, _), tensor in zip(self.places, held, strict=True):
                store[key] = tensor

    def part(self) -> None:
        """Give each network its own memory back."""
        for network in self.networks:
            for tensor in (*network.parameters(), *network.buffers()):
                tensor.data = tensor.data.clone(memory_format=torch.contiguous_format)


class _Hand(Function):
    """Hands what is computed within ``vmap`` out to a function, stacked; ``vmap`` calls the rule below."""

    @staticmethod
    def forward(receive: Callable[..., None], loss: Tensor, *figures: Tensor) -> Tensor:
        raise RuntimeError("the loss does not depend on the network's weights")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """There is nothing to keep: no gradient comes back this way."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, receive: Callable[..., None], *values: Tensor) -> tuple[Tensor, int]:
        stacked = [
            value.expand(info.batch_size) if dim is None else value.movedim(dim, 0)
            for value, dim in zip(values, in_dims[1:], strict=True)
        ]
        receive(*stacked)
        return stacked[0].detach(), 0


def clip_each(parameters: Sequence[Tensor], limit: float) -> None:
    """Scale the gradients of stacked parameters (k, ...) so that those of each network have at most this norm."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)
    factors = (limit / (norms + 1e-6)).clamp(max=1.0)  # as torch.nn.utils.clip_grad_norm_
    for gradient in gradients:
        gradient.mul_(factors.view(-1, *(1,) * (gradient.ndim - 1)))


def _places(network: nn.Module) -> list[tuple[dict[str, Any], str, str]]:
    """Where modules keep parameters and buffers: a dictionary, the key in it, and the name of what stands there."""
    names = {id(tensor): name for name, tensor in (*network.named_parameters(), *network.named_buffers())}
    return [
        (store, key, names[id(tensor)])
        for module in network.modules()
        for store in (module._parameters, module._buffers)
        for key, tensor in store.items()
        if tensor is not None
    ]


def _aligned(named: Iterable[Iterable[tuple[str, Tensor]]]) -> dict[str, list[Tensor]]:
    """From the named tensors of each network to the tensors of each name."""
    aligned: dict[str, list[Tensor]] = {}
    for network in named:
        for name, tensor in network:
            aligned.setdefault(name, []).append(tensor)
    return aligned


def _turned(values: Tensor, *, matrix: int = 2) -> Tensor:
    """Values with ``matrix`` dimensions are transposed in their last two; others stay."""
    return values.mT if values.ndim == matrix else values
