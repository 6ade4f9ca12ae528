"""Code memory: a queue of the codes of earlier batches, all of it in the state dictionary."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from masln.errors import ConfigError, DataError

__all__ = ["CodeMemory", "Remembered"]


class Remembered(NamedTuple):
    """Codes of pairs that were in earlier batches, without gradients.

    Attributes:
        first: (m, d_code), of the first modality.
        second: (m, d_code), of the second.
        labels: (m,) class ids.
    """

    first: Tensor
    second: Tensor
    labels: Tensor


class CodeMemory(nn.Module):
    """The codes of the last ``length`` pairs: a memory bank, or cross-batch queue.

    Contents, labels, place of the next write and number of pairs are buffers, so that a resumed run goes on with the
    same memory (Wang, X., Zhang, H., Huang, W., Scott, M. R.: Cross-batch memory for embedding learning. CVPR 2020).

    Args:
        length: Pairs that it holds.
        d_code: Width of their codes.

    Raises:
        ConfigError: the length is not positive.
    """

    first: Tensor
    second: Tensor
    labels: Tensor
    rows: Tensor
    pointer: Tensor
    filled: Tensor

    def __init__(self, length: int, d_code: int) -> None:
        super().__init__()
        if length < 1:
            raise ConfigError(f"a code memory must hold at least one pair, got length {length}")
        for name in ("first", "second"):
            self.register_buffer(name, torch.zeros(length, d_code))
        for name in ("labels", "rows"):
            self.register_buffer(name, torch.zeros(length, dtype=torch.int64))
        for name in ("pointer", "filled"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        """The number of pairs in it."""
        return int(self.filled)

    @torch.no_grad()
    def add(self, first: Tensor, second: Tensor, labels: Tensor, rows: Tensor) -> None:
        """Write the pairs of a batch over the oldest ones; of a batch longer than the memory, its last pairs.

        Args:
            first: (n, d_code) codes.
            second: (n, d_code) codes.
            labels: (n,) class ids.
            rows: (n,) ids of the pairs, by which ``recall`` knows them again.

        Raises:
            DataError: the four do not have the same number of rows.
        """
        values = {"first": first, "second": second, "labels": labels, "rows": rows}
        if len({len(each) for each in values.values()}) > 1:
            raise DataError(f"a code memory takes as many of each, got {[len(v) for v in values.values()]} rows")
        length = len(self.labels)
        count = min(len(labels), length)
        places = (self.pointer + torch.arange(count, device=self.labels.device)) % length
        for name, each in values.items():
            buffer = getattr(self, name)
            buffer[places] = each[len(each) - count :].to(buffer.dtype)
        self.pointer.copy_((self.pointer + count) % length)
        self.filled.copy_((self.filled + count).clamp(max=length))

    def recall(self, *, without: Tensor) -> Remembered:
        """What is in memory, less the pairs ``without`` (ids): a pair is no negative of its own older self."""
        kept = torch.arange(len(self.labels), device=self.labels.device) < self.filled
        kept = kept & ~torch.isin(self.rows, without)
        return Remembered(self.first[kept], self.second[kept], self.labels[kept])
