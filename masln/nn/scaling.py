"""Input scaling, fitted on the training features and stored with the model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from masln.data import row_blocks
from masln.errors import ConfigError, DataError, unknown_name

__all__ = ["SCALINGS", "InputScaling", "scaling_of"]

SCALINGS = ("none", "standardize", "min-max", "l2", "center-l2", "pca:K", "whiten:K")
_BLOCK = 8192


class InputScaling(nn.Module):
    """y = normalise((x - mean) * scale @ components), each step present or not by kind.

    ``none`` leaves x; ``standardize`` gives each dimension zero mean and unit variance (a constant one becomes
    zero); ``min-max`` takes each dimension's least training value to 0 and its greatest to 1 (a constant one becomes
    zero; a new row may lie outside); ``l2`` and ``center-l2`` put x, or x less the mean, on the unit sphere;
    ``pca:K`` projects on the K leading principal axes and ``whiten:K`` divides each of these by its standard deviation.
    K above the rank of the data is lowered to it.

    Args:
        kind: One of ``SCALINGS``, K a positive integer.
        d_in: Width of the input.
        d_out: Width of the output; needed only to load the state of a PCA kind.

    Raises:
        ConfigError: unknown kind.
    """

    mean: Tensor
    scale: Tensor
    components: Tensor

    def __init__(self, kind: str, d_in: int, d_out: int | None = None) -> None:
        super().__init__()
        self.kind, self.count = parse_scaling(kind)
        self.d_in = d_in
        self.d_out = d_out or (min(self.count, d_in) if self.count else d_in)
        self.register_buffer("mean", torch.zeros(d_in, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(d_in, dtype=torch.float64))
        width = (d_in, self.d_out) if self.count else (0, 0)
        self.register_buffer("components", torch.zeros(width, dtype=torch.float64))

    def fit(self, X: NDArray[np.floating], mask: NDArray[np.bool_] | None = None) -> InputScaling:
        """Learn the statistics, in float64; X is read in blocks, so it may be memory-mapped.

        Args:
            X: (n, d_in), or sequences (n, length, d_in), each position of which counts as a row.
            mask: (n, length) bool, the positions that count; all of them by default.

        Raises:
            DataError: X is of another width.
        """
        if X.ndim not in (2, 3) or X.shape[-1] != self.d_in:
            raise DataError(f"input scaling was made for width {self.d_in} but the features are {X.shape}")
        positions = _Positions(X, mask)
        if self.kind in ("none", "l2"):
            return self
        if self.kind == "min-max":
            self._fit_range(positions)
            return self
        n = len(positions)
        self.mean = sum(block.sum(0) for block in positions) / n  # type: ignore[assignment]
        if self.kind == "standardize":
            square = sum((block - self.mean).square().sum(0) for block in positions) / n
            deviation = square.sqrt()  # type: ignore[union-attr]
            floor = 1e-10 * self.mean.abs().clamp(min=1.0)  # rounding leaves a trace of variance on constants
            self.scale = torch.where(deviation > floor, 1 / deviation.clamp(min=1e-300), 0.0)
        elif self.count:
            self._fit_principal_axes(positions)
        return self

    def _fit_range(self, X: _Positions) -> None:
        self.mean = torch.stack([block.amin(0) for block in X]).amin(0)  # what is taken away, here the least
        width = torch.stack([block.amax(0) for block in X]).amax(0) - self.mean
        self.scale = torch.where(width > 0, 1 / width.clamp(min=1e-300), 0.0)

    def _fit_principal_axes(self, X: _Positions) -> None:
        covariance: Tensor = sum((b := block - self.mean).T @ b for block in X) / len(X)  # type: ignore[assignment]
        values, vectors = torch.linalg.eigh(covariance)
        values, vectors = values.flip(0), vectors.flip(1)
        rank = max(1, int((values > 1e-10 * values[0].clamp(min=1e-300)).sum()))
        self.d_out = min(self.count, rank)
        axes = vectors[:, : self.d_out]
        signs = axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
        axes = axes * torch.where(signs == 0, 1.0, signs)
        if self.kind == "whiten":
            axes = axes / values[: self.d_out].clamp(min=1e-300).sqrt()
        self.components = axes.contiguous()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Scale (..., d_in) to (..., d_out), in the type of x.

        Args:
            x: Features.
            mask: (...) bool, which positions are real; the others become zero, whatever they hold.
        """
        if self.kind not in ("none", "l2"):
            x = x - self.mean.to(x.dtype)
            if self.kind in ("standardize", "min-max"):
                x = x * self.scale.to(x.dtype)
            elif self.count:
                x = x @ self.components.to(x.dtype)
        if self.kind in ("l2", "center-l2"):
            x = nn.functional.normalize(x, dim=-1)
        return x if mask is None else x.masked_fill(~mask.unsqueeze(-1), 0.0)


def scaling_of(kinds: str, modality: str) -> str:
    """The kind for a modality: ``kinds`` is one for both, or ``IMAGE/TEXT`` such as ``center-l2/whiten:10``.

    Raises:
        ConfigError: more than one slash.
    """
    parts = str(kinds).split("/")
    if len(parts) > 2:
        raise ConfigError(f"input scaling {kinds!r}: write one kind, or IMAGE/TEXT such as center-l2/whiten:10")
    return parts[0] if modality == "image" else parts[-1]


def parse_scaling(kind: str) -> tuple[str, int]:
    """Split ``pca:64`` into (``pca``, 64); kinds without a count have 0.

    Raises:
        ConfigError: unknown kind, or a count that is no positive integer.
    """
    name, _, count = str(kind).partition(":")
    takes_count = name in ("pca", "whiten")
    if not takes_count and kind not in SCALINGS:
        raise ConfigError(unknown_name("input scaling", kind, SCALINGS))
    if takes_count and not (count.isdigit() and int(count) > 0):
        raise ConfigError(f"input scaling {kind!r}: write {name}:K with K a positive integer, such as {name}:64")
    return name, int(count) if takes_count else 0


class _Positions:
    """The positions of features that count, in blocks (k, d) of float64."""

    def __init__(self, X: NDArray[np.floating], mask: NDArray[np.bool_] | None) -> None:
        self.X, self.mask = X, mask

    def __len__(self) -> int:
        return self.X.size // self.X.shape[-1] if self.mask is None else int(self.mask.sum())

    def __iter__(self) -> Iterator[Tensor]:
        for rows in row_blocks(self.X, positions=_BLOCK):
            block = np.asarray(self.X[rows], dtype=np.float64)
            yield torch.from_numpy(block.reshape(-1, block.shape[-1]) if self.mask is None else block[self.mask[rows]])
