"""The smallest method that takes sequences: the mean over positions, then a linear map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from masln.losses import cross_correlation_loss
from masln.models import DeclaredMethod, TwoTower
from masln.training import Batch, Objective


class MeanEncoder(nn.Module):
    def __init__(self, d_in: int, d_code: int) -> None:
        super().__init__()
        self.linear = nn.Linear(d_in, d_code)

    def forward(self, X: Tensor, mask: Tensor | None = None) -> Tensor:
        if X.ndim == 2:
            return self.linear(X)
        weights = X.new_ones(X.shape[:2]) if mask is None else mask.to(X.dtype)
        return self.linear(torch.einsum("nld,nl->nd", X, weights) / weights.sum(1, keepdim=True))


class PooledNetwork(TwoTower):
    def __init__(self, d_image: int, d_text: int, d_code: int) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({"image": MeanEncoder(d_image, d_code), "text": MeanEncoder(d_text, d_code)})

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        image, text = self.encoders["image"](batch.image), self.encoders["text"](*batch.text_inputs)
        loss = cross_correlation_loss(image, text, redundancy=0.1)
        yield Objective("network", loss, {"loss": loss})


@dataclass(kw_only=True, eq=False, repr=False)
class Pooled(DeclaredMethod):
    summary: ClassVar[str] = "the mean over positions"
    reference: ClassVar[str] = "ours"
    takes_sequences: ClassVar[bool] = True

    code_width: int = 6
    epochs: int = 2
    batch_size: int = 16

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        return PooledNetwork(d_image, d_text, self.code_width)
