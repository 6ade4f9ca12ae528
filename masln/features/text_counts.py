"""Bag of words and TF-IDF, over a vocabulary learned from the texts that are given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from masln.errors import DataError
from masln.features.base import FeatureBatch
from masln.features.text_extractor import TextExtractor, require_within
from masln.features.words import words_of
from masln.saving import Arrays

__all__ = ["BagOfWords", "TfIdf", "learned_vocabulary"]

Counts = Any  # a scipy sparse matrix (n, vocabulary)


def learned_vocabulary(
    texts: Iterable[str], *, min_texts: int, max_words: int = 0, stop_words: bool = False, what: str = "the vocabulary"
) -> list[str]:
    """The words worth a dimension, in alphabetical order.

    Args:
        texts: What to learn from.
        min_texts: In how many texts a word must occur.
        max_words: Keep the most frequent so many, alphabetical among equals (where scikit-learn leaves the choice to a
            sort that is not stable); 0 keeps all.
        stop_words: Leave out scikit-learn's English stop words.
        what: What asks, for the message.

    Raises:
        DataError: No word is left.
    """
    occurrences: Counter[str] = Counter()
    in_texts: Counter[str] = Counter()
    n_texts = 0
    for text in texts:
        words = words_of(text)
        occurrences.update(words)
        in_texts.update(set(words))
        n_texts += 1
    left_out: frozenset[str] = frozenset()
    if stop_words:
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        left_out = ENGLISH_STOP_WORDS
    kept = [word for word, count in in_texts.items() if count >= min_texts and word not in left_out]
    if not kept:
        raise DataError(f"{what}: no word stands in {min_texts} of {n_texts} texts; give more texts or lower min_texts")
    kept.sort(key=lambda word: (-occurrences[word], word))
    return sorted(kept[:max_words] if max_words else kept)


class BagOfWords(TextExtractor):
    """How often each word of the vocabulary occurs.

    Words outside the vocabulary are passed over; a text without any word of it, an empty one included, is a row of
    zeros.

    Args:
        max_words: The most frequent words to keep; 0 for all.
        min_texts: In how many texts a word must occur.
        stop_words: Leave out English stop words.
        binary: 1 for a word that occurs, however often.
    """

    name: ClassVar[str] = "bag-of-words"
    summary: ClassVar[str] = "counts of the most frequent words"
    reference: ClassVar[str] = "Salton et al., Communications of the ACM 1975; scikit-learn's CountVectorizer"
    learns: ClassVar[bool] = True

    def __init__(
        self,
        *,
        max_words: int = 1000,  # as the 1,000-d texts of Pascal Sentence and NUS-WIDE
        min_texts: int = 2,  # ours
        stop_words: bool = False,  # ours
        binary: bool = False,
    ) -> None:
        self.max_words = max_words
        self.min_texts = min_texts
        self.stop_words = stop_words
        self.binary = binary

    @property
    def dim(self) -> int:
        """Words of the vocabulary."""
        self._require_fitted()
        return len(self.words_)

    def check(self) -> None:
        """See the base."""
        super().check()
        require_within(self, max_words=(0, float("inf")), min_texts=(1, float("inf")))

    def _fit(self, items: Iterator[str]) -> None:
        texts = list(items)
        self.words_ = learned_vocabulary(
            texts, min_texts=self.min_texts, max_words=self.max_words, stop_words=self.stop_words, what=self.name
        )
        self._vectorizer = self._made()
        self._vectorizer.fit(texts)

    def _vocabulary(self) -> Container[str]:
        return frozenset(self.words_)

    def _made(self) -> Any:
        from sklearn.feature_extraction.text import CountVectorizer

        return CountVectorizer(
            vocabulary=self.words_, tokenizer=words_of, token_pattern=None, lowercase=False, binary=self.binary
        )

    def _extract(self, items: Sequence[str]) -> FeatureBatch:
        counts: Counts = self._vectorizer.transform(items)
        return FeatureBatch(np.asarray(counts.todense(), dtype=np.float32))

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        return {}, {"words": self.words_}

    def _restore(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        self.words_ = [str(word) for word in facts["words"]]
        self._vectorizer = self._made()


class TfIdf(BagOfWords):
    """Counts weighted by ln((1 + n) / (1 + n_w)) + 1, each row scaled to length 1.

    n texts were fitted on, n_w of them with the word. Words outside the vocabulary are passed over; a text without any
    word of it is a row of zeros.

    Args:
        max_words: The most frequent words to keep; 0 for all.
        min_texts: In how many texts a word must occur.
        stop_words: Leave out English stop words.
        sublinear: Take 1 + ln(count) for a count.
    """

    name: ClassVar[str] = "tfidf"
    summary: ClassVar[str] = "word counts weighted by inverse document frequency"
    reference: ClassVar[str] = "Salton and Buckley, Information Processing and Management 1988; scikit-learn"

    def __init__(
        self,
        *,
        max_words: int = 1000,  # ours, as for the bag of words
        min_texts: int = 2,  # ours
        stop_words: bool = False,  # ours
        sublinear: bool = False,
    ) -> None:
        self.max_words = max_words
        self.min_texts = min_texts
        self.stop_words = stop_words
        self.sublinear = sublinear

    def _made(self) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(
            vocabulary=self.words_,
            tokenizer=words_of,
            token_pattern=None,
            lowercase=False,
            sublinear_tf=self.sublinear,
        )

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        return {"idf": np.asarray(self._vectorizer.idf_, dtype=np.float64)}, {"words": self.words_}

    def _restore(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        super()._restore(arrays, facts)
        self._vectorizer.idf_ = arrays["idf"]
