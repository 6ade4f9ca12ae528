"""Batches of pairs, from tensors in memory or from memory-mapped features; no worker processes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from masln.data import PairedDataset
from masln.nn import InputScaling

__all__ = ["Batch", "FeatureSource", "PairBatches"]

_BLOCK = 8192


class Batch(NamedTuple):
    """Scaled features, labels and class embeddings of some pairs, row by row."""

    image: Tensor
    text: Tensor
    labels: Tensor
    class_embeddings: Tensor | None


class FeatureSource:
    """Scaled rows of one modality on a device: precomputed where they fit, else read when asked for."""

    def __init__(self, features: NDArray[Any], scaling: InputScaling, device: torch.device, *, in_memory: bool) -> None:
        self.features, self.scaling, self.device = features, scaling, device
        self.scaled: Tensor | None = None
        if in_memory:
            blocks = range(0, len(features), _BLOCK)
            self.scaled = torch.cat([self._read(np.s_[start : start + _BLOCK]) for start in blocks])

    def _read(self, rows: Any) -> Tensor:
        values = torch.from_numpy(np.asarray(self.features[rows], dtype=np.float32))
        with torch.no_grad():
            return self.scaling(values.to(self.device))  # type: ignore[no-any-return]

    def __getitem__(self, rows: Tensor) -> Tensor:
        if self.scaled is not None:
            return self.scaled[rows]
        return self._read(rows.cpu().numpy())


class PairBatches:
    """The training pairs as a source of batches.

    Args:
        data: The pairs, labels numbered from 0.
        image_scaling: Fitted scaling of the images, on ``device``.
        text_scaling: The same of the texts.
        device: Where batches are made.
        memory_bytes: Largest size of the scaled features, in float32, that is kept in memory.
    """

    def __init__(
        self,
        data: PairedDataset,
        image_scaling: InputScaling,
        text_scaling: InputScaling,
        *,
        device: torch.device,
        memory_bytes: int,
    ) -> None:
        size = 4 * len(data) * (image_scaling.d_out + text_scaling.d_out)
        in_memory = size <= memory_bytes
        self.device = device
        self.image = FeatureSource(data.image, image_scaling, device, in_memory=in_memory)
        self.text = FeatureSource(data.text, text_scaling, device, in_memory=in_memory)
        self.labels = torch.from_numpy(data.labels).to(device)
        vectors = data.class_embeddings
        self.vectors = None if vectors is None else torch.from_numpy(np.asarray(vectors, dtype=np.float32)).to(device)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor) -> Batch:
        """The pairs of these rows (an int64 tensor on the CPU)."""
        rows = rows.to(self.device)
        labels = self.labels[rows]
        vectors = None if self.vectors is None else self.vectors[labels]
        return Batch(self.image[rows], self.text[rows], labels, vectors)
