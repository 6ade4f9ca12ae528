"""Words of a text, and texts as means of word vectors: the plain mean, and smooth inverse frequency."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

__all__ = [
    "first_direction",
    "mean_vectors",
    "rank_probabilities",
    "sif_vectors",
    "stable_hash",
    "without_direction",
    "words_of",
]

SIF_A = 1e-3  # Arora et al., ICLR 2017, section 4.1
_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """The words of a text in small letters: runs of letters and digits."""
    return _WORD.findall(text.lower())


def stable_hash(text: str) -> int:
    """A hash of 32 bits that is the same in every process, which Python's own is not (``PYTHONHASHSEED``)."""
    import zlib

    return zlib.crc32(text.encode("utf-8", errors="surrogatepass"))


def mean_vectors(texts: Iterable[str], vectors: KeyedVectors) -> NDArray[np.float32]:
    """The mean word vector of each text; words without one are passed over.

    Args:
        texts: n texts.
        vectors: Word vectors of width d.

    Returns:
        (n, d); zeros where no word has a vector.
    """
    rows = []
    for text in texts:
        known = [vectors[word] for word in words_of(text) if word in vectors]
        rows.append(np.mean(known, axis=0) if known else np.zeros(vectors.vector_size))
    return np.stack(rows).astype(np.float32)


def rank_probabilities(n_words: int) -> NDArray[np.float64]:
    """Word probabilities by Zipf's law: the word of rank r has 1 / (r H_n), for vectors sorted by frequency."""
    ranks = np.arange(1, n_words + 1, dtype=np.float64)
    return np.asarray(1.0 / (ranks * np.sum(1.0 / ranks)), dtype=np.float64)


def sif_vectors(
    texts: Sequence[str], vectors: KeyedVectors, probabilities: NDArray[np.float64], *, a: float = SIF_A
) -> NDArray[np.float64]:
    """Smooth inverse frequency: the mean of word vectors weighted by a / (a + p(w)) (Arora et al., ICLR 2017, eq. 3).

    Args:
        texts: n texts.
        vectors: Word vectors of width d.
        probabilities: (words,) p(w), in the order of the vectors.
        a: The weight's one parameter.

    Returns:
        (n, d) before the common direction is taken off; zeros where no word has a vector.
    """
    rows = []
    for text in texts:
        row = np.zeros(vectors.vector_size)
        known = [word for word in words_of(text) if word in vectors]
        for word in known:
            weight = a / (a + probabilities[vectors.key_to_index[word]])
            row += weight * np.asarray(vectors[word], dtype=np.float64) / len(known)
        rows.append(row)
    return np.stack(rows)


def first_direction(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first right singular vector (d,) of rows (n, d), which SIF takes off: x - (x u) u^T (ibid., algorithm 1)."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):  # sums split over another number of threads round otherwise
        first: NDArray[Any] = np.linalg.svd(rows, full_matrices=False)[2][0]
    return first


def without_direction(rows: NDArray[np.float64], direction: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rows (n, d) less their part along a unit direction (d,)."""
    return (rows - np.outer(rows @ direction, direction)).astype(np.float32)
