"""LDA: a text as its mixture of topics, the text feature of the Wikipedia papers."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from masln.features.base import FeatureBatch
from masln.features.text_counts import learned_vocabulary
from masln.features.text_extractor import TextExtractor, require_within
from masln.features.words import words_of
from masln.saving import Arrays

__all__ = ["LatentDirichletAllocation"]


class LatentDirichletAllocation(TextExtractor):
    """Topic proportions E[theta] = gamma / sum(gamma), by variational inference; rows sum to 1.

    Words outside the vocabulary are passed over. A text without any word of it, an empty one included, has the prior's
    mean (equal parts where the prior is symmetric).

    Args:
        topics: How many.
        max_words: The most frequent words to keep; 0 for all.
        min_texts: In how many texts a word must occur.
        stop_words: Leave out English stop words.
        passes: Times through the texts.
        iterations: Steps of inference on one text at most.
        seed: Of the topics at the start, and of the start of each inference.
    """

    name: ClassVar[str] = "lda"
    summary: ClassVar[str] = "topic proportions (gensim's LdaModel)"
    reference: ClassVar[str] = "Blei, Ng and Jordan, JMLR 2003; 10 topics as in Rasiwasia et al., ACM Multimedia 2010"
    learns: ClassVar[bool] = True

    def __init__(
        self,
        *,
        topics: int = 10,  # Rasiwasia et al. 2010
        max_words: int = 0,
        min_texts: int = 2,  # ours
        stop_words: bool = True,  # ours: without it the topics are mixtures of "the" and "of"
        passes: int = 20,  # ours: as for doc2vec's epochs: 5 .098, 10 .100, 20 .107, 40 .108
        iterations: int = 100,  # ours
        seed: int = 0,
    ) -> None:
        self.topics = topics
        self.max_words = max_words
        self.min_texts = min_texts
        self.stop_words = stop_words
        self.passes = passes
        self.iterations = iterations
        self.seed = seed

    @property
    def dim(self) -> int:
        """Topics."""
        return self.topics

    def check(self) -> None:
        """See the base."""
        super().check()
        many = float("inf")
        require_within(self, topics=(2, many), max_words=(0, many), min_texts=(1, many), passes=(1, many))
        require_within(self, iterations=(1, many), seed=(0, 2**32 - 1))

    def _fit(self, items: Iterator[str]) -> None:
        from gensim.models import LdaModel
        from threadpoolctl import threadpool_limits

        texts = list(items)
        self.words_ = learned_vocabulary(
            texts, min_texts=self.min_texts, max_words=self.max_words, stop_words=self.stop_words, what=self.name
        )
        self._index = {word: row for row, word in enumerate(self.words_)}
        with threadpool_limits(1, user_api="blas"):  # sums split over another number of threads round otherwise
            model = LdaModel(
                corpus=[self._counts(text) for text in texts],
                id2word=dict(enumerate(self.words_)),
                num_topics=self.topics,
                passes=self.passes,
                iterations=self.iterations,
                random_state=self.seed,
                eval_every=None,
            )
        # Inference needs these alone: exp(E[log beta]) and the prior of the proportions.
        self._take(np.asarray(model.expElogbeta), np.asarray(model.alpha))

    def _take(self, topic_words: Any, prior: Any) -> None:
        from gensim.models import LdaModel

        self.topic_words_, self.prior_ = topic_words, prior
        self._model = LdaModel(
            id2word=dict(enumerate(self.words_)),
            num_topics=self.topics,
            alpha=prior,
            iterations=self.iterations,
            random_state=self.seed,
        )
        self._model.expElogbeta = topic_words

    def _vocabulary(self) -> Container[str]:
        return self._index

    def _counts(self, text: str) -> list[tuple[int, int]]:
        counts: dict[int, int] = {}
        for word in words_of(text):
            if (row := self._index.get(word)) is not None:
                counts[row] = counts.get(row, 0) + 1
        return sorted(counts.items())

    def _extract(self, items: Sequence[str]) -> FeatureBatch:
        from threadpoolctl import threadpool_limits

        rows = []
        with threadpool_limits(1, user_api="blas"):
            for text in items:
                # gensim starts each inference at a random gamma: the same for every text, whatever came before it.
                self._model.random_state = np.random.RandomState(self.seed)
                gamma = self._model.inference([self._counts(text)])[0][0]
                rows.append(gamma / gamma.sum())
        return FeatureBatch(np.stack(rows).astype(np.float32))

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        return {"topic_words": self.topic_words_, "prior": self.prior_}, {"words": self.words_}

    def _restore(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        self.words_ = [str(word) for word in facts["words"]]
        self._index = {word: row for row, word in enumerate(self.words_)}
        shape = (self.topics, len(self.words_))
        if arrays["topic_words"].shape != shape or arrays["prior"].shape != shape[:1]:
            raise ValueError(f"topics {arrays['topic_words'].shape} do not fit {shape}")
        self._take(arrays["topic_words"], arrays["prior"])
