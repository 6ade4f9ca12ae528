"""Batches of pairs, from tensors in memory or from memory-mapped features; no worker processes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from masln.data import PairedDataset, row_blocks
from masln.nn import InputScaling

__all__ = ["Batch", "FeatureSource", "PairBatches", "scaled_bytes"]


class Batch(NamedTuple):
    """Scaled features, labels and class embeddings of some pairs, row by row.

    Attributes:
        image: (n, d_image) or (n, regions, d_image).
        text: (n, d_text) or (n, tokens, d_text), zero where there is no token.
        labels: (n,) int64.
        class_embeddings: (n, d_class), of each pair's class; None where the classes have none.
        text_mask: (n, tokens) bool, True where there is a token; None where the text is no sequence.
        rows: (n,) int64, which of all training pairs these are.
        pictures: (n,) int64, equal where pairs show one picture; None: each its own.
        teacher: What a teacher makes of the images and of the texts, (n, d) each; None where nothing teaches.
    """

    image: Tensor
    text: Tensor
    labels: Tensor
    class_embeddings: Tensor | None
    text_mask: Tensor | None = None
    rows: Tensor | None = None
    pictures: Tensor | None = None
    teacher: tuple[Tensor, Tensor] | None = None

    @property
    def text_inputs(self) -> tuple[Tensor, ...]:
        """What an encoder of texts is called with: the features, and of sequences the mask too."""
        return (self.text,) if self.text_mask is None else (self.text, self.text_mask)


class FeatureSource:
    """Scaled rows of one modality on a device: precomputed where they fit, else read when asked for.

    Args:
        features: (n, d), or sequences (n, length, d); may be memory-mapped.
        scaling: Fitted, on ``device``.
        device: Where rows are wanted.
        in_memory: Whether to scale all rows at once and keep them.
        mask: (n, length) bool, which positions are real; the others become zero, whatever they hold.
    """

    def __init__(
        self,
        features: NDArray[Any],
        scaling: InputScaling,
        device: torch.device,
        *,
        in_memory: bool,
        mask: NDArray[np.bool_] | None = None,
    ) -> None:
        self.features, self.scaling, self.device = features, scaling, device
        self.mask = None if mask is None else torch.from_numpy(np.array(mask, dtype=np.bool_)).to(device)
        self.scaled: Tensor | None = None
        if in_memory:
            shape = (*features.shape[:-1], scaling.d_out)
            self.scaled = torch.empty(shape, dtype=torch.float32, device=device)
            for rows in row_blocks(features):
                self.scaled[rows] = self._read(rows, rows)

    def __len__(self) -> int:
        return len(self.features)

    def _read(self, rows: Any, on_device: Any) -> Tensor:
        values = torch.from_numpy(np.asarray(self.features[rows], dtype=np.float32)).to(self.device)
        with torch.no_grad():
            scaled: Tensor = self.scaling(values, None if self.mask is None else self.mask[on_device])
            return scaled

    def __getitem__(self, rows: Tensor) -> Tensor:
        if self.scaled is not None:
            return self.scaled[rows]
        return self._read(rows.cpu().numpy(), rows.to(self.device))

    def mask_of(self, rows: Tensor) -> Tensor | None:
        """The mask of some rows; None where every position is real."""
        return None if self.mask is None else self.mask[rows.to(self.device)]

    def inputs(self, rows: Tensor) -> tuple[Tensor, ...]:
        """What an encoder is called with for some rows: the features, and where there is one the mask too."""
        mask = self.mask_of(rows)
        return (self[rows],) if mask is None else (self[rows], mask)


def scaled_bytes(data: PairedDataset, image_scaling: InputScaling, text_scaling: InputScaling) -> int:
    """Size of the scaled features of these pairs, in float32, every position of a sequence counted."""
    sides = ((data.image, image_scaling), (data.text, text_scaling))
    return sum(4 * X.size // X.shape[-1] * scaling.d_out for X, scaling in sides)


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
        in_memory = scaled_bytes(data, image_scaling, text_scaling) <= memory_bytes
        self.device = device
        self.image = FeatureSource(data.image, image_scaling, device, in_memory=in_memory)
        self.text = FeatureSource(data.text, text_scaling, device, in_memory=in_memory, mask=data.text_mask)
        self.labels = torch.from_numpy(data.labels).to(device)
        self.pictures = torch.from_numpy(data.pictures).to(device)
        vectors = data.class_embeddings
        self.vectors = None if vectors is None else torch.from_numpy(np.asarray(vectors, dtype=np.float32)).to(device)
        self.teacher: tuple[Tensor, Tensor] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def set_teacher(self, image: NDArray[np.float32], text: NDArray[np.float32]) -> None:
        """Let every batch bring what a teacher makes of its images and texts: (n, d) each, a row a pair."""
        assert len(image) == len(text) == len(self)
        self.teacher = torch.from_numpy(image).to(self.device), torch.from_numpy(text).to(self.device)

    def batch(self, rows: Tensor) -> Batch:
        """The pairs of these rows (an int64 tensor on the CPU)."""
        rows = rows.to(self.device)
        labels = self.labels[rows]
        vectors = None if self.vectors is None else self.vectors[labels]
        teacher = None if self.teacher is None else (self.teacher[0][rows], self.teacher[1][rows])
        mask, pictures = self.text.mask_of(rows), self.pictures[rows]
        return Batch(self.image[rows], self.text[rows], labels, vectors, mask, rows, pictures, teacher)
