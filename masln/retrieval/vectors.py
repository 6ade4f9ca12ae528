"""Codes as the vectors that are stored and asked with, so that every similarity is one inner product."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.errors import ConfigError, unknown_name

__all__ = ["SIMILARITIES", "asked_vectors", "asked_with_stored", "shown_scores", "stored_codes", "stored_vectors"]

SIMILARITIES = ("cosine", "euclidean", "dot")
Floats = NDArray[np.float32]


def stored_vectors(codes: NDArray[Any], similarity: str) -> Floats:
    """Gallery codes (n, d) as vectors (n, w): of length 1 for ``cosine``, with -|g|^2/2 behind them for ``euclidean``.

    A code of zeros stays one, and so scores 0 with everything by cosine.

    Raises:
        ConfigError: the similarity is unknown.
    """
    if similarity not in SIMILARITIES:
        raise ConfigError(unknown_name("similarity", similarity, SIMILARITIES))
    if similarity == "dot":
        return np.ascontiguousarray(codes, dtype=np.float32)
    exact = np.asarray(codes, dtype=np.float64)
    squares = np.einsum("nd,nd->n", exact, exact)
    if similarity == "cosine":
        with np.errstate(invalid="ignore"):  # what is not finite stays so
            return (exact / np.sqrt(np.where(squares > 0, squares, 1.0))[:, None]).astype(np.float32)
    return np.concatenate([exact, -squares[:, None] / 2], axis=1).astype(np.float32)


def asked_vectors(codes: NDArray[Any], similarity: str) -> Floats:
    """Query codes (m, d) as vectors (m, w) whose inner product with stored ones orders a gallery."""
    if similarity != "euclidean":
        return stored_vectors(codes, similarity)
    values = np.asarray(codes, dtype=np.float32)
    return np.concatenate([values, np.ones((len(values), 1), dtype=np.float32)], axis=1)


def asked_with_stored(vectors: NDArray[Any], similarity: str) -> Floats:
    """Stored vectors (m, w) as queries."""
    return asked_vectors(stored_codes(vectors, similarity), similarity)


def stored_codes(vectors: NDArray[Any], similarity: str) -> NDArray[Any]:
    """The codes (m, d) of stored vectors (m, w); for ``cosine`` of length 1, as they are stored."""
    return vectors[:, :-1] if similarity == "euclidean" else vectors


def shown_scores(scores: Floats, queries: NDArray[Any], similarity: str) -> Floats:
    """Inner products (m, k) as people know the similarity, higher still being better: of ``euclidean`` -distance.

    Args:
        scores: Of stored vectors with ``asked_vectors`` of the queries.
        queries: (m, d) codes.
        similarity: One of ``SIMILARITIES``.
    """
    if similarity != "euclidean":
        return scores
    squares = (np.asarray(queries, dtype=np.float64) ** 2).sum(axis=1, keepdims=True)
    distances = np.sqrt(np.maximum(squares - 2 * np.asarray(scores, dtype=np.float64), 0))
    return np.where(np.isfinite(scores), -distances, scores).astype(np.float32)
