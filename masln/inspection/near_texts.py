"""Near-duplicate texts: the same text but for a word or an ending, by the overlap of their runs of four characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.inspection.kinds import NearPairs
from masln.progress import progress_bar

__all__ = ["OVERLAP", "near_texts", "normal_text"]

# Characters: by runs of 3, titles that differ in their colour overlap more; words fail where no spaces are.  # ours
_RUN = 4
# Jaccard overlap from which texts count as one. Looked at as texts, of fashion titles and remote-sensing captions: from
# .90 on a plural, an article, the order of two nouns, one adjective of a long caption; at .85 shirt and tshirt, men and
# women; at .80 any two words.  # ours
OVERLAP = 0.9
# Share of its runs that a text must meet in the prefixes. Of 20,000 texts of 2,900 characters, checking those that meet
# in one run took 190 s, in 2% 6 s, in 5% 8 s, in 10% 15 s; of 100,000 of 50 characters 1.8, 1.7, 1.6, 1.5 s.  # ours
_MET = 0.05
_RUNS = 1 << 22  # numbers that runs are hashed to: one in 2,000 runs clashes with some run of a text of 2,000
_WORK = 1 << 22  # multiplications of a step, which bound its memory
_CHECKED = 1 << 22  # runs of the pairs checked at once, likewise
_SLACK = 1e-9  # of rounding


class _Blanks(dict[int, str]):
    """What is no content becomes a blank: punctuation, spaces, control characters; not marks, which spell vowels."""

    def __missing__(self, code: int) -> str:
        value = " " if unicodedata.category(chr(code))[0] in "PZC" else chr(code)
        self[code] = value
        return value


_BLANKS = _Blanks()


def normal_text(text: str) -> str:
    """A text without capitals, punctuation, and what else looks the same (Unicode NFKC); perhaps nothing is left."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().translate(_BLANKS).split())


def near_texts(texts: Sequence[str], *, progress: bool = False) -> Iterator[NearPairs]:
    """Every two texts that share at least ``OVERLAP`` of their runs of four characters.

    Exact, and not every pair is compared: two such texts share runs among those that are rarest overall (prefix filter:
    Chaudhuri, Ganti and Kaushik, ICDE 2006; longer prefixes that share more: Wang, Li and Feng, SIGMOD 2012). MinHash
    would be another dependency, and miss some; the cosine of TF-IDF vectors is not zero for any two texts.

    Args:
        texts: n distinct ones, normal.
        progress: Show a bar, where standard error is a terminal.

    Yields:
        Pairs, and 1 minus their overlap.
    """
    if not texts:
        return
    runs = _rarest_first(texts)
    sizes = np.diff(runs.indptr)
    needed = np.ceil(OVERLAP * sizes - _SLACK).astype(np.int64)
    shared = np.maximum(1, (_MET * sizes).astype(np.int64))
    prefixes = _prefixes(runs, np.minimum(sizes, sizes - needed + shared))
    holders = prefixes.T.tocsr()
    work_before = np.append(0, np.cumsum(np.diff(holders.indptr)[prefixes.indices]))[prefixes.indptr]
    with progress_bar("comparing texts", len(texts), show=progress) as advance:
        start = 0
        while start < len(texts):
            fits = int(np.searchsorted(work_before, work_before[start] + _WORK, side="right")) - 1
            stop = min(len(texts), max(start + 1, fits))
            candidates = (prefixes[start:stop] @ holders).tocoo()
            first, second = candidates.row.astype(np.intp) + start, candidates.col.astype(np.intp)
            few, many = np.minimum(sizes[first], sizes[second]), np.maximum(sizes[first], sizes[second])
            good = (first < second) & (candidates.data >= np.minimum(shared[first], shared[second]))
            good &= few >= OVERLAP * many - _SLACK
            yield from _checked(runs, sizes, first[good], second[good])
            advance(stop - start)
            start = stop


def _rarest_first(texts: Sequence[str]) -> Any:
    """The runs of each text, a row a text, numbered so that those in the fewest texts come first."""
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        analyzer="char",
        ngram_range=(_RUN, _RUN),
        lowercase=False,
        binary=True,
        norm=None,
        alternate_sign=False,
        n_features=_RUNS,
        dtype=np.float32,
    )
    runs = vectorizer.transform([f" {text} " for text in texts])
    frequency = np.bincount(runs.indices, minlength=_RUNS)
    rank = np.empty(_RUNS, dtype=runs.indices.dtype)
    rank[np.argsort(frequency, kind="stable")] = np.arange(_RUNS)
    runs.indices = rank[runs.indices]
    runs.has_sorted_indices = False
    runs.sort_indices()
    return runs


def _prefixes(runs: Any, lengths: NDArray[np.int64]) -> Any:
    """The first runs of each text."""
    from scipy.sparse import csr_matrix

    starts = runs.indptr[:-1].astype(np.int64)
    ends = np.append(0, np.cumsum(lengths))
    kept = np.arange(ends[-1]) + np.repeat(starts - ends[:-1], lengths)
    return csr_matrix((np.ones(len(kept), dtype=np.int32), runs.indices[kept], ends), shape=runs.shape)


def _checked(runs: Any, sizes: NDArray[Any], first: NDArray[np.intp], second: NDArray[np.intp]) -> Iterator[NearPairs]:
    bounds = np.append(0, np.cumsum(sizes[first] + sizes[second])) // _CHECKED
    for part in np.split(np.arange(len(first)), np.flatnonzero(np.diff(bounds[1:])) + 1):
        a, b = first[part], second[part]
        common = np.asarray(runs[a].multiply(runs[b]).sum(axis=1)).ravel()
        overlap = common / np.maximum(1, sizes[a] + sizes[b] - common)
        near = overlap >= OVERLAP - _SLACK
        yield NearPairs(a[near], b[near], 1 - overlap[near])
