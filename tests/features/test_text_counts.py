"""Bag of words and TF-IDF, against scikit-learn with a vocabulary of its own and against the shared features."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer, TfidfVectorizer

from masln.features import BagOfWords, TfIdf
from tests.features.corpus import make_corpus, plain_words

TRAIN, NEW = make_corpus(), make_corpus(9, seed=3)


@pytest.fixture(scope="module")
def captions(request):
    shared = request.getfixturevalue("shared_data")
    raw = json.loads((shared / "rsicd" / "captions.json").read_text(encoding="utf-8"))
    return [" ".join(own) for own in raw.values()][:3000]


def test_counts_are_those_of_a_loop():
    extractor = BagOfWords(max_words=0, min_texts=1).fit(TRAIN)
    counts = extractor.transform(NEW)
    for row, text in zip(counts, NEW, strict=True):
        occurrences = Counter(plain_words(text))
        assert {word: count for word, count in zip(extractor.words_, row.tolist(), strict=True) if count} == {
            word: count for word, count in occurrences.items() if word in extractor.words_
        }
    binary = BagOfWords(max_words=0, min_texts=1, binary=True).fit(TRAIN).transform(NEW)
    np.testing.assert_array_equal(binary, counts > 0)


def test_the_vocabulary_is_the_most_frequent_words_alphabetical_among_equals():
    texts = ["b b b c a", "a c d", "d b"]  # b 4 times; a, c and d twice
    assert BagOfWords(max_words=2, min_texts=2).fit(texts).words_ == ["a", "b"]
    assert BagOfWords(max_words=0, min_texts=2).fit(texts).words_ == ["a", "b", "c", "d"]
    assert BagOfWords(max_words=0, min_texts=1, stop_words=True).fit(["the dog", "a cat"]).words_ == ["cat", "dog"]
    assert {"the", "a"} <= ENGLISH_STOP_WORDS


@pytest.mark.parametrize("sublinear", [False, True])
@pytest.mark.parametrize("stop_words", [False, True])
def test_captions_are_counted_as_scikit_learn_counts_them(captions, sublinear, stop_words):
    train, test = captions[:2000], captions[2000:]
    shared = {
        "min_df": 3,
        "token_pattern": r"[a-z0-9]+",
        "stop_words": sorted(ENGLISH_STOP_WORDS) if stop_words else None,
    }
    counts = BagOfWords(max_words=0, min_texts=3, stop_words=stop_words).fit(train)
    oracle = CountVectorizer(**shared).fit(train)
    assert counts.words_ == sorted(oracle.vocabulary_) and len(counts.words_) > 300
    np.testing.assert_array_equal(counts.transform(test), oracle.transform(test).toarray())
    weights = TfIdf(max_words=0, min_texts=3, stop_words=stop_words, sublinear=sublinear).fit(train)
    expected = TfidfVectorizer(**shared, sublinear_tf=sublinear).fit(train).transform(test).toarray()
    np.testing.assert_allclose(weights.transform(test), expected, rtol=1e-6, atol=1e-7)


def test_tfidf_is_its_formula():
    texts = ["a b b", "a c", "c c a"]
    extractor = TfIdf(max_words=0, min_texts=1).fit(texts)
    weight = {word: np.log((1 + 3) / (1 + n)) + 1 for word, n in {"a": 3, "b": 1, "c": 2}.items()}
    row = np.array([weight["a"], 2 * weight["b"], 0])
    np.testing.assert_allclose(extractor.transform(["a b b"])[0], row / np.linalg.norm(row), rtol=1e-6)


def test_the_shared_counts_of_rsicd(shared_data):
    """The 1,000-d counts that the data folder came with, where both vocabularies hold a word."""
    raw = json.loads((shared_data / "rsicd" / "captions.json").read_text(encoding="utf-8"))
    with np.load(shared_data / "rsicd" / "rsicd.npz", allow_pickle=False) as archive:
        files, vocabulary, theirs = archive["files"].tolist(), archive["vocab"].tolist(), archive["text_bow1000"]
    texts = [" ".join(raw[file]) for file in files[::4]]
    extractor = BagOfWords(max_words=0, min_texts=1).fit(texts)
    both = [word for word in vocabulary if word in extractor.words_]
    ours = extractor.transform(texts)[:, [extractor.words_.index(word) for word in both]]
    assert len(both) > 900
    assert np.mean(ours == theirs[::4][:, [vocabulary.index(word) for word in both]]) > 0.999
