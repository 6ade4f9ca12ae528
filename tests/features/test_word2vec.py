"""Texts by word vectors, against loops over the vectors and against gensim driven directly."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from gensim.models import KeyedVectors
from gensim.models import Word2Vec as Gensim

from masln.errors import CheckpointError, DataError
from masln.features import Word2Vec, load_extractor
from tests.features.corpus import COMMON, TOPICS, make_corpus, plain_words

TRAIN, NEW = make_corpus(), [*make_corpus(9, seed=3), "", "unseen"]
WORDS = [*COMMON, *TOPICS[0], *TOPICS[1][:5]]


@pytest.fixture
def vectors(tmp_path):
    made = KeyedVectors(6)
    made.add_vectors(WORDS, np.random.default_rng(0).normal(size=(len(WORDS), 6)).astype(np.float32))
    made.save_word2vec_format(str(tmp_path / "vectors.bin"), binary=True)
    return tmp_path / "vectors.bin", made


def test_the_mean_is_that_of_a_loop(vectors):
    path, made = vectors
    rows = Word2Vec(vectors=str(path)).transform(NEW)
    for text, row in zip(NEW, rows, strict=True):
        known = [made[word].astype(float) for word in plain_words(text) if word in WORDS]
        np.testing.assert_allclose(row, sum(known) / len(known) if known else np.zeros(6), rtol=1e-5, atol=1e-6)


def naive_sif(texts, train, vector_of, probability):
    """Algorithm 1 of Arora et al., its direction by the eigenvectors of X^T X."""

    def weighted(text):
        known = [word for word in plain_words(text) if word in probability]
        return sum(1e-3 / (1e-3 + probability[w]) * vector_of(w).astype(float) for w in known) / max(len(known), 1)

    fitted = np.array([weighted(text) + np.zeros(6) for text in train])
    first = np.linalg.eigh(fitted.T @ fitted)[1][:, -1]
    rows = np.array([weighted(text) + np.zeros(6) for text in texts])
    return rows - np.outer(rows @ first, first)


def test_sif_of_a_file_takes_probabilities_from_ranks(vectors):
    path, made = vectors
    harmonic = sum(1 / rank for rank in range(1, len(WORDS) + 1))
    probability = {word: 1 / (rank * harmonic) for rank, word in enumerate(WORDS, start=1)}
    rows = Word2Vec(vectors=str(path), pooling="sif").fit(TRAIN).transform(NEW)
    np.testing.assert_allclose(rows, naive_sif(NEW, TRAIN, made.__getitem__, probability), atol=1e-6)


def test_tokens_are_the_vectors_in_order(vectors):
    path, made = vectors
    values, mask = Word2Vec(vectors=str(path), layout="tokens", max_tokens=5).extract(NEW)
    for text, row, real in zip(NEW, values, mask, strict=True):
        known = [made[word] for word in plain_words(text) if word in WORDS][:5]
        np.testing.assert_array_equal(row[: len(known)], np.array(known).reshape(-1, 6))
        assert real.sum() == max(len(known), 1) and not row[len(known) :].any()


def test_trained_vectors_are_gensims():
    extractor = Word2Vec(vectors="train", width=6, epochs=4, min_count=2, window=3, seed=7).fit(TRAIN)
    model = Gensim(
        [plain_words(text) for text in TRAIN],
        vector_size=6,
        window=3,
        min_count=2,
        sg=1,
        epochs=4,
        seed=7,
        workers=1,
        hashfxn=lambda word: zlib.crc32(word.encode()),
    )
    assert extractor.vectors_.index_to_key == model.wv.index_to_key
    np.testing.assert_array_equal(extractor.vectors_.vectors, model.wv.vectors)
    naive = [
        np.mean([model.wv[word] for word in plain_words(text) if word in model.wv] or [np.zeros(6)], axis=0)
        for text in NEW
    ]
    np.testing.assert_allclose(extractor.transform(NEW), naive, rtol=1e-5, atol=1e-7)
    weighted = Word2Vec(vectors="train", width=6, epochs=4, window=3, seed=7, pooling="sif").fit(TRAIN)
    counts = {word: model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key}
    probability = {word: count / sum(counts.values()) for word, count in counts.items()}
    np.testing.assert_allclose(
        weighted.transform(NEW), naive_sif(NEW, TRAIN, model.wv.__getitem__, probability), atol=1e-6
    )


def test_a_file_may_move_but_not_change(vectors, tmp_path):
    path, made = vectors
    extractor = Word2Vec(vectors=str(path))
    copy = tmp_path / "moved.bin"
    copy.write_bytes(path.read_bytes())
    assert Word2Vec(vectors=str(copy)).hash == extractor.hash
    extractor.save(tmp_path / "saved")
    made.vectors[0] += 1
    made.save_word2vec_format(str(path), binary=True)
    with pytest.raises(CheckpointError, match="have changed"):
        load_extractor(tmp_path / "saved")
    path.unlink()
    with pytest.raises(DataError, match="no such file of word vectors"):
        load_extractor(tmp_path / "saved")


def test_the_limit_is_the_first_words(vectors):
    path, _ = vectors
    assert Word2Vec(vectors=str(path), limit=3).transform(["the plane"]).any()
    assert not Word2Vec(vectors=str(path), limit=3).transform(["plane"]).any()


def test_another_file_is_read_when_the_parameter_changes(vectors, tmp_path):
    path, made = vectors
    other = KeyedVectors(4)
    other.add_vectors(["plane"], np.ones((1, 4), dtype=np.float32))
    other.save_word2vec_format(str(tmp_path / "other.bin"), binary=True)
    extractor = Word2Vec(vectors=str(path))
    np.testing.assert_array_equal(extractor.transform(["plane"])[0], made["plane"])
    extractor.set_params(vectors=str(tmp_path / "other.bin"))
    np.testing.assert_array_equal(extractor.transform(["plane"]), np.ones((1, 4)))
