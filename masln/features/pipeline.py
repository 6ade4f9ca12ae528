"""Several batches at once, results in order: what uses the cores while each batch keeps its bits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from masln.errors import ConfigError
from masln.features.torch_threads import one_torch_thread

__all__ = ["in_order", "worker_count"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def worker_count(workers: int | None, *, concurrent: bool) -> int:
    """How many threads to use: as asked, by default as many as torch would; one where an extractor takes no more.

    Raises:
        ConfigError: fewer than one.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be at least 1, got {workers}")
    if not concurrent:
        return 1
    if workers is not None:
        return workers
    import torch

    return torch.get_num_threads()


def in_order(function: Callable[[Item], Result], items: Iterable[Item], *, workers: int) -> Iterator[Result]:
    """Map a function over items in ``workers`` threads, results in the order of the items.

    No more than ``workers + 1`` items are under way, so memory does not grow with their number. Each thread computes
    with one torch thread, so the bits of a result do not depend on ``workers``.

    Raises:
        Exception: whatever the function raised first, in the order of the items; later items are not begun.
    """
    if workers == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    with one_torch_thread():
        pool = ThreadPoolExecutor(workers, "masln-features")  # new threads take torch's number over
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
