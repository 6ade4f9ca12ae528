"""One torch thread: what makes a network's features the same to the bit, however many cores there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["one_torch_thread"]


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Compute within the block in one thread: sums split over another number round otherwise, and hashes would tell.

    Cores are used by extracting several batches at once instead; see ``masln.features.pipeline``.
    """
    import torch

    threads = torch.get_num_threads()
    if threads != 1:  # setting it is for the whole process in part, so threads within one such block leave it alone
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if threads != 1:
            torch.set_num_threads(threads)
