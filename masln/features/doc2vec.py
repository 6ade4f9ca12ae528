"""doc2vec: a text as the vector that predicts its words, the 300-d text feature of the zero-shot papers."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from masln.errors import ConfigError, DataError
from masln.features.base import FeatureBatch
from masln.features.text_extractor import TextExtractor, require_within
from masln.features.words import stable_hash, words_of
from masln.saving import Arrays

__all__ = ["Doc2Vec"]

KINDS = ("dbow", "dm")


class Doc2Vec(TextExtractor):
    """Paragraph vectors, every text (training texts too) inferred by gradient descent with the words held fixed.

    gensim's `infer_vector` is not repeatable: it draws from the model's generator, which goes on from call to call, and
    starts at a vector seeded by Python's own `hash` of the text, which differs from process to process. Here the
    generator is seeded before each text and the start comes of a stable hash, so that a text's vector depends on the
    text and the model alone. A text without any known word, an empty one included, is a row of zeros. gensim looks at
    the first 10,000 known words of a text.

    Args:
        width: Of the vectors.
        kind: `dbow` (distributed bag of words) or `dm` (distributed memory, the mean of context and text).
        window: Words to each side, for `dm`.
        min_count: How often a word must occur.
        negative: Noise words drawn for each word.
        sample: Words more frequent than this share of the corpus are dropped now and then; 0 keeps all.
        epochs: Times through the texts in training.
        infer_epochs: Steps through one text in inference.
        seed: Of training, and of each inference.
    """

    name: ClassVar[str] = "doc2vec"
    summary: ClassVar[str] = "paragraph vectors trained on the texts (gensim's Doc2Vec)"
    reference: ClassVar[str] = "Le and Mikolov, ICML 2014"
    learns: ClassVar[bool] = True

    def __init__(
        self,
        *,
        width: int = 300,  # as in the zero-shot cross-modal papers
        kind: str = "dbow",  # the better one in Lau and Baldwin, 2016
        window: int = 5,  # gensim's
        min_count: int = 2,  # ours
        negative: int = 5,  # gensim's
        sample: float = 1e-3,  # gensim's
        # ours: a caption of an RSICD training photo finds another of the same photo among the first ten of 600 at .163
        # with 20 epochs, at .245 with 40, .305 with 80, .292 with 160; with 80 steps of inference instead, .287
        epochs: int = 80,
        infer_epochs: int = 20,
        seed: int = 0,
    ) -> None:
        self.width = width
        self.kind = kind
        self.window = window
        self.min_count = min_count
        self.negative = negative
        self.sample = sample
        self.epochs = epochs
        self.infer_epochs = infer_epochs
        self.seed = seed

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.width

    def check(self) -> None:
        """See the base."""
        super().check()
        if self.kind not in KINDS:
            raise ConfigError(f"kind of {self.name} must be one of {', '.join(KINDS)}, got {self.kind!r}")
        many = float("inf")
        require_within(self, width=(1, many), window=(1, many), min_count=(1, many), negative=(1, many))
        require_within(self, sample=(0, 1), epochs=(1, many), infer_epochs=(1, many), seed=(0, 2**32 - 1))

    def _made(self) -> Any:
        from gensim.models.doc2vec import Doc2Vec as Gensim

        return Gensim(
            vector_size=self.width,
            dm=int(self.kind == "dm"),
            dm_mean=1,
            window=self.window,
            min_count=self.min_count,
            negative=self.negative,
            sample=self.sample,
            epochs=self.epochs,
            seed=self.seed,
            workers=1,
        )

    def _fit(self, items: Iterator[str]) -> None:
        from gensim.models.doc2vec import TaggedDocument

        documents = [TaggedDocument(words_of(text), [number]) for number, text in enumerate(items)]
        model = self._made()
        model.build_vocab(documents)
        if not len(model.wv):
            raise DataError(
                f"{self.name}: no word occurs {self.min_count} times in {len(documents)} texts; give more texts or "
                "lower min_count"
            )
        model.train(documents, total_examples=model.corpus_count, epochs=model.epochs)
        # What inference looks at: how to drop and draw words, and what turns a vector into words.
        words = {name: np.asarray(model.wv.expandos[name]) for name in ("count", "sample_int")}
        words["output"] = model.syn1neg
        if self.kind == "dm":
            words["words"] = model.wv.vectors
        self._take(list(model.wv.index_to_key), words)

    def _take(self, words: list[str], arrays: Arrays) -> None:
        """Make a gensim model that can infer, of the arrays that matter."""
        self.words_, self.arrays_ = words, arrays
        model = self._made()
        model.wv.index_to_key = words
        model.wv.key_to_index = {word: row for row, word in enumerate(words)}
        model.wv.expandos = {name: arrays[name] for name in ("count", "sample_int")}
        shape = (len(words), self.width)
        if arrays["output"].shape != shape or len(arrays["count"]) != len(words):
            raise ValueError(f"doc2vec weights {arrays['output'].shape} do not fit {shape}")
        model.wv.vectors = arrays["words"] if self.kind == "dm" else np.zeros(shape, dtype=np.float32)
        model.wv.vectors_lockf = np.ones(1, dtype=np.float32)
        model.syn1neg = arrays["output"]
        model.make_cum_table()
        self._model = model

    def _vocabulary(self) -> Container[str]:
        return frozenset(self.words_)

    def _extract(self, items: Sequence[str]) -> FeatureBatch:
        return FeatureBatch(np.stack([self._inferred(words_of(text)) for text in items]))

    def _inferred(self, words: list[str]) -> NDArray[np.float32]:
        """`Doc2Vec.infer_vector` of gensim, from a start and with draws that depend on the words alone."""
        from gensim.models import doc2vec
        from gensim.models.keyedvectors import pseudorandom_weak_vector

        model = self._model
        if not any(word in model.wv.key_to_index for word in words):
            return np.zeros(self.width, dtype=np.float32)
        model.random = np.random.RandomState(self.seed)
        start = pseudorandom_weak_vector(self.width, seed_string=" ".join(words), hashfxn=stable_hash)
        vector = start.reshape(1, self.width)
        fixed = {"learn_words": False, "learn_hidden": False, "doctag_vectors": vector}
        fixed["doctags_lockf"] = np.ones(1, dtype=np.float32)
        work, context = np.zeros(self.width, dtype=np.float32), np.zeros(self.width, dtype=np.float32)
        rate, step = model.alpha, (model.alpha - model.min_alpha) / max(self.infer_epochs - 1, 1)
        for _ in range(self.infer_epochs):
            if self.kind == "dm":
                doc2vec.train_document_dm(model, words, [0], rate, work, context, **fixed)
            else:
                doc2vec.train_document_dbow(model, words, [0], rate, work, **fixed)
            rate -= step
        return np.asarray(vector[0], dtype=np.float32)

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        return self.arrays_, {"words": self.words_}

    def _restore(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        self._take([str(word) for word in facts["words"]], arrays)
