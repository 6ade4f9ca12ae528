"""doc2vec, against gensim's own model and inference, whose two hidden sources of chance are pinned for it."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from gensim.models import doc2vec as gensim_doc2vec
from gensim.models.doc2vec import Doc2Vec as Gensim
from gensim.models.doc2vec import TaggedDocument
from gensim.models.keyedvectors import pseudorandom_weak_vector

from masln.features import Doc2Vec, load_extractor
from tests.features.corpus import TOPICS, make_corpus, plain_words

TRAIN, NEW = make_corpus(), make_corpus(9, seed=3)


def direct(kind, sample=1e-3, seed=4):
    documents = [TaggedDocument(plain_words(text), [number]) for number, text in enumerate(TRAIN)]
    return Gensim(
        documents,
        vector_size=8,
        dm=int(kind == "dm"),
        dm_mean=1,
        window=3,
        min_count=2,
        negative=4,
        sample=sample,
        epochs=6,
        seed=seed,
        workers=1,
    )


def pinned(vector_size, seed_string=None):
    return pseudorandom_weak_vector(vector_size, seed_string, lambda text: zlib.crc32(text.encode()))


@pytest.mark.parametrize("kind", ["dbow", "dm"])
@pytest.mark.parametrize("sample", [1e-3, 0.0, 0.05])
def test_inference_without_the_model_is_that_of_the_model(monkeypatch, tmp_path, kind, sample):
    """What is saved is arrays and words; after loading it infers the same bits as the gensim model they came from."""
    options = {"width": 8, "window": 3, "negative": 4, "sample": sample, "epochs": 6, "infer_epochs": 11, "seed": 4}
    extractor = Doc2Vec(kind=kind, **options).fit(TRAIN)
    extractor.save(tmp_path)
    model = direct(kind, sample)
    monkeypatch.setattr(gensim_doc2vec, "pseudorandom_weak_vector", pinned)
    expected = []
    for text in NEW:
        model.random = np.random.RandomState(4)
        expected.append(model.infer_vector(plain_words(text), epochs=11))
    np.testing.assert_array_equal(extractor.transform(NEW), expected)
    np.testing.assert_array_equal(load_extractor(tmp_path).transform(NEW), expected)


def test_texts_of_one_topic_lie_together():
    extractor = Doc2Vec(width=20, epochs=60).fit(make_corpus(200))
    rows = extractor.transform(make_corpus(40, seed=9))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    topic = np.arange(40) % 2
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -2)
    assert np.mean(topic[similarity.argmax(axis=1)] == topic) > 0.9


def test_words_that_are_not_known_change_nothing_but_the_start():
    extractor = Doc2Vec(width=8, epochs=3).fit(TRAIN)
    text = " ".join(TOPICS[0])
    assert not np.array_equal(extractor.transform([text])[0], extractor.transform([f"{text} qwzx"])[0])
    np.testing.assert_array_equal(extractor.transform([text])[0], extractor.transform([text.upper() + "!"])[0])
    assert Doc2Vec().dim == 300
