"""Pairs whose canonical correlations are known in closed form, and the correlations that a method's codes reach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from masln.data import PairedDataset
from masln.models import Method

CORRELATIONS = np.array([0.95, 0.9, 0.8, 0.7, 0.5, 0.3])


def linear_gaussian(n: int = 1500, d_image: int = 10, d_text: int = 8, *, seed: int = 0) -> PairedDataset:
    """Draw pairs (x, y) = (A u, B v), u and v white with corr(u_i, v_i) = ``CORRELATIONS``[i] in this very sample."""
    rng = np.random.default_rng(seed)
    white = rng.normal(size=(n, d_image + d_text))
    white = np.linalg.qr(white - white.mean(axis=0))[0] * n**0.5
    u, v, k = white[:, :d_image], white[:, d_image:].copy(), len(CORRELATIONS)
    v[:, :k] = CORRELATIONS * u[:, :k] + (1 - CORRELATIONS**2) ** 0.5 * v[:, :k]
    mixed = u @ rng.normal(size=(d_image, d_image)), v @ rng.normal(size=(d_text, d_text))
    return pairs_of(*mixed)


def pairs_of(image: NDArray[np.float64], text: NDArray[np.float64]) -> PairedDataset:
    """Pairs of one class."""
    return PairedDataset(
        name="linear-Gaussian",
        image=image.astype(np.float32),
        text=text.astype(np.float32),
        labels=np.zeros(len(image), dtype=np.int64),
        class_names=("one",),
    )


def reached(method: Method, pairs: PairedDataset) -> NDArray[np.float64]:
    """Correlation of each dimension of the image codes with the same one of the text codes."""
    image, text = method.encode_image(pairs.image), method.encode_text(pairs.text)
    return np.array([np.corrcoef(image[:, i], text[:, i])[0, 1] for i in range(image.shape[1])])
