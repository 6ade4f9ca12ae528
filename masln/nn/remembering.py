"""Work that candidates of a search have in common, done once: functions of tensors that remember their last results."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from torch import Tensor

__all__ = ["remembered", "remembering"]

_Result = TypeVar("_Result")
#: Of each function that is remembered, digests of its arguments to its results, the latest last.
_results: ContextVar[dict[Any, dict[bytes, Any]] | None] = ContextVar("results", default=None)


@contextmanager
def remembering() -> Iterator[None]:
    """Within, ``remembered`` functions give what they gave before to equal tensors; all is forgotten at the end."""
    token = _results.set({})
    try:
        yield
    finally:
        _results.reset(token)


def remembered(last: int) -> Callable[[Callable[..., _Result]], Callable[..., _Result]]:
    """Let a function remember its last results, where somebody is ``remembering``; elsewhere it is as it was.

    Tensors are known by their type, shape and content, so a result is that of another call bit for bit; finding it
    costs a pass over them.

    Args:
        last: How many results are kept. They take memory: keep few, and small ones.

    The function takes tensors, or None; it draws nothing, and what it returns is not written to.
    """

    def decorate(function: Callable[..., _Result]) -> Callable[..., _Result]:
        @functools.wraps(function)
        def call(*arguments: Tensor | None) -> _Result:
            results = _results.get()
            if results is None:
                return function(*arguments)
            own, key = results.setdefault(call, {}), _digest(arguments)
            if key not in own:
                while len(own) >= last:
                    del own[next(iter(own))]
                own[key] = function(*arguments)
            else:
                own[key] = own.pop(key)  # the latest
            result: _Result = own[key]
            return result

        return call

    return decorate


def _digest(arguments: tuple[Tensor | None, ...]) -> bytes:
    digest = hashlib.sha256()
    for tensor in arguments:
        digest.update(b"none" if tensor is None else f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        if tensor is not None:
            digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.digest()
