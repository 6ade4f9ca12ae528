"""RandomStreams: several runs in one pass, each drawing from a stream of its own as if it were alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["RandomStreams"]

_LIKE = (torch.randn_like, torch.rand_like)
_NEW = (torch.randn, torch.rand, torch.randint, torch.randperm)


class RandomStreams:
    """The states of torch's generators in each of several runs.

    Args:
        device: On which they draw.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.states: list[tuple[Tensor, ...]] = []

    def add(self) -> None:
        """Take the generators as they stand now for where the next run goes on."""
        self.states.append(self._current())

    def draw(self, make: Callable[[], Tensor]) -> Tensor:
        """Draw for every run from its own stream: (runs, ...)."""
        drawn = []
        for number in range(len(self.states)):
            with self._of(number):
                drawn.append(make())
        return torch.stack(drawn)

    def drawing(self, number: Tensor) -> TorchFunctionMode:
        """A context within ``torch.func.vmap`` in which every run draws from its own stream.

        Dropout and torch's functions that make random tensors are understood; others fail, as ``vmap`` has it.

        Args:
            number: Of the run, as ``vmap`` gives it.
        """
        return _Drawing(self, number)

    def _current(self) -> tuple[Tensor, ...]:
        on_cpu = torch.get_rng_state()
        return (on_cpu, torch.cuda.get_rng_state(self.device)) if self.device.type == "cuda" else (on_cpu,)

    @contextmanager
    def _of(self, number: int) -> Iterator[None]:
        on_cpu, *others = self.states[number]
        torch.set_rng_state(on_cpu)
        for state in others:
            torch.cuda.set_rng_state(state, self.device)
        yield
        self.states[number] = self._current()


class _Drawing(TorchFunctionMode):
    def __init__(self, streams: RandomStreams, number: Tensor) -> None:
        super().__init__()
        self.streams, self.number = streams, number

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.dropout:
            return self._drop(*args, **kwargs)
        if func in _LIKE:
            alike = {"dtype": args[0].dtype, "device": args[0].device} | kwargs
            shape = args[0].shape
            return self._draw(lambda: func(torch.empty(shape, device=alike["device"]), *args[1:], **alike))
        if func in _NEW:
            return self._draw(lambda: func(*args, **kwargs))
        if func is functional.linear and args[0].ndim > 2:
            # vmap would copy the weights for every index of the leading dimensions.
            return func(args[0].flatten(0, -2), *args[1:], **kwargs).view(*args[0].shape[:-1], -1)
        return func(*args, **kwargs)

    def _drop(self, values: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or not p:
            return values
        shape, dtype, device = values.shape, values.dtype, values.device
        # What dropout makes of ones is what it multiplies by.
        return values * self._draw(lambda: functional.dropout(torch.ones(shape, dtype=dtype, device=device), p))

    def _draw(self, make: Callable[[], Tensor]) -> Tensor:
        return _Draw.apply(self.number, self.streams, make)  # type: ignore[no-any-return,no-untyped-call]


class _Draw(Function):
    """Draws for all runs in the place of one: ``vmap`` calls the rule below."""

    @staticmethod
    def forward(number: Tensor, streams: RandomStreams, make: Callable[[], Tensor]) -> Tensor:
        raise RuntimeError("draws are made within vmap alone")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """There is nothing to keep: draws have no gradient."""

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, number: Tensor, streams: RandomStreams, make: Callable[[], Tensor]
    ) -> tuple[Tensor, int]:
        return streams.draw(make), 0
