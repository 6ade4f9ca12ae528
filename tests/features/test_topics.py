"""LDA, against gensim driven directly and against variational inference written out."""

from __future__ import annotations

import numpy as np
import pytest
from gensim.corpora import Dictionary
from gensim.models import LdaModel
from scipy.special import digamma

from masln.features import LatentDirichletAllocation, make_extractor
from tests.features.corpus import TOPICS, make_corpus, plain_words

TRAIN, NEW = make_corpus(), make_corpus(9, seed=3)


def test_topics_are_gensims():
    """The same words under the same numbers, trained and inferred by gensim from its own dictionary."""
    extractor = LatentDirichletAllocation(topics=4, stop_words=False, min_texts=1, passes=3, seed=5).fit(TRAIN)
    dictionary = Dictionary([sorted({word for text in TRAIN for word in plain_words(text)})])
    corpus = [dictionary.doc2bow(plain_words(text)) for text in TRAIN]
    model = LdaModel(
        corpus, num_topics=4, id2word=dictionary, passes=3, iterations=100, random_state=5, eval_every=None
    )
    assert [dictionary[row] for row in range(len(dictionary))] == extractor.words_
    expected = []
    for text in NEW:
        model.random_state = np.random.RandomState(5)
        bag = dictionary.doc2bow(plain_words(text))
        expected.append([share for _, share in model.get_document_topics(bag, minimum_probability=0)])
    np.testing.assert_allclose(extractor.transform(NEW), expected, rtol=1e-6)


def test_inference_is_the_variational_fixed_point():
    """gamma_k = alpha_k + sum_w n_w phi_wk, phi_wk ~ exp(digamma(gamma_k)) exp(E[log beta_kw]) (Blei et al., 2003)."""
    extractor = LatentDirichletAllocation(topics=3, passes=3, iterations=2000).fit(TRAIN)
    index = {word: row for row, word in enumerate(extractor.words_)}
    for text, row in zip(NEW, extractor.transform(NEW), strict=True):
        words = [index[word] for word in plain_words(text) if word in index]
        gamma = row.astype(float) * (extractor.prior_.sum() + len(words))  # sums to the prior and the words
        for _ in range(200):
            phi = np.exp(digamma(gamma))[:, None] * extractor.topic_words_[:, words].astype(float)
            gamma = extractor.prior_ + (phi / phi.sum(axis=0)).sum(axis=1)
        np.testing.assert_allclose(row, gamma / gamma.sum(), atol=2e-3)


def test_two_topics_are_found():
    extractor = LatentDirichletAllocation(topics=2, passes=10).fit(TRAIN)
    shares = extractor.transform([" ".join(topic) for topic in TOPICS])
    assert shares.argmax(axis=1).tolist() in ([0, 1], [1, 0]) and shares.max(axis=1).min() > 0.9
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)


def test_the_wikipedia_setting_is_the_default():
    assert make_extractor("lda").dim == 10


def test_topics_of_real_captions_tell_classes_apart(shared_data):
    import csv

    with (shared_data / "rsicd" / "photos.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    chosen = [row for row in rows if row["class"] in ("Airport", "Beach", "Forest")]
    texts = [" ".join(row[f"caption_{number}"] for number in range(1, 6)) for row in chosen]
    labels = np.array([row["class"] for row in chosen])
    shares = LatentDirichletAllocation(topics=10, passes=5).fit(texts).transform(texts)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    means = {name: shares[labels == name].mean(axis=0) for name in set(labels)}
    nearest = [min(means, key=lambda name: float(np.sum((row - means[name]) ** 2))) for row in shares]
    assert np.mean(np.array(nearest) == labels) > 0.8


def test_weights_that_do_not_fit_are_refused():
    extractor = LatentDirichletAllocation(topics=3, passes=1).fit(TRAIN)
    arrays, facts = extractor._state()
    with pytest.raises(ValueError, match="do not fit"):
        LatentDirichletAllocation(topics=4)._restore(arrays, facts)
