"""Re-ranking the first items, against a plain loop that sorts whole lists."""

from __future__ import annotations

import numpy as np
import pytest

from masln.data import make_class_split
from masln.errors import DataError, ProtocolError
from masln.evaluation import (
    DIRECTIONS,
    Protocol,
    RankedRelevance,
    Reranker,
    evaluate,
    part_rows,
    rank,
    rerank,
    rerank_items,
    top_items,
)
from tests.evaluation import naive
from tests.evaluation.test_rank import draw, tied


def naive_order(scores):
    return sorted(range(len(scores)), key=lambda j: (-scores[j], j))


def naive_rerank(order, new_scores):
    """The first items by their new scores, equal ones in their old order, then the rest."""
    k = len(new_scores)
    places = sorted(range(k), key=lambda place: (-new_scores[place], place))
    return [order[place] for place in places] + list(order[k:])


@pytest.mark.parametrize("similarity", ["cosine", "euclidean", "dot"])
@pytest.mark.parametrize("k", [1, 7, 50, 211, 1000])
def test_top_items_are_the_head_of_a_plain_sort(similarity, k):
    queries, gallery, _, _ = draw(40, 211, 6, 5, dtype=np.float64)
    scores = naive.similarities(queries, gallery, similarity)
    found = top_items(queries, gallery, k=k, similarity=similarity)
    assert found.tolist() == [naive_order(row)[:k] for row in scores]


@pytest.mark.parametrize("k", [1, 5, 40, 211])
def test_top_items_that_tie_come_by_gallery_index(k):
    queries, gallery, _, _ = tied(30, 211, 5)
    scores = naive.similarities(queries, gallery, "dot")
    assert top_items(queries, gallery, k=k, similarity="dot").tolist() == [naive_order(row)[:k] for row in scores]


def test_top_items_do_not_depend_on_the_blocks_of_queries():
    queries, gallery, _, _ = draw(1300, 33, 4, 5)
    assert np.array_equal(top_items(queries, gallery, k=5)[1200:], top_items(queries[1200:], gallery, k=5))


@pytest.mark.parametrize("make", [draw, lambda *args: tied(args[0], args[1], args[3])])
@pytest.mark.parametrize("k", [1, 8, 50, 97])
def test_reranking_equals_a_plain_loop(make, k):
    queries, gallery, query_labels, gallery_labels = make(25, 97, 6, 5)
    ranking = rank(queries, gallery, query_labels, gallery_labels, similarity="dot")
    items = top_items(queries, gallery, k=k, similarity="dot")
    new_scores = np.random.default_rng(1).integers(0, 9, items.shape) / 4.0  # some of them equal
    found, moved = rerank(ranking, new_scores), rerank_items(items, new_scores)
    scores = naive.similarities(queries, gallery, "dot")
    for i in range(25):
        order = naive_rerank(naive_order(scores[i]), new_scores[i].tolist())
        expected = [place for place, j in enumerate(order, start=1) if gallery_labels[j] == query_labels[i]]
        assert found.ranks[found.offsets[i] : found.offsets[i + 1]].tolist() == expected
        assert moved[i].tolist() == order[:k]


def test_equal_scores_change_nothing_and_the_ranking_given_stays():
    queries, gallery, query_labels, gallery_labels = draw(20, 50, 4, 3)
    ranking = rank(queries, gallery, query_labels, gallery_labels)
    before = ranking.ranks.copy()
    assert np.array_equal(rerank(ranking, np.zeros((20, 10))).ranks, before)
    rerank(ranking, np.random.default_rng(0).normal(size=(20, 10)))
    assert np.array_equal(ranking.ranks, before)


def test_a_query_without_relevant_items_stays_without():
    ranking = RankedRelevance(np.arange(3), np.array([0, 1, 1, 3]), np.array([2, 1, 4]), 5)
    found = rerank(ranking, np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]))
    assert found.offsets.tolist() == [0, 1, 1, 3] and found.ranks.tolist() == [1, 2, 4]


@pytest.mark.parametrize("setting", ["standard", "seen_unseen", "generalized"])
@pytest.mark.parametrize("relevance", ["class", "instance"])
def test_an_evaluation_is_reranked_in_every_part_and_direction(setting, relevance):
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(80) % 4)
    image, text, truth = rng.normal(size=(80, 5)), rng.normal(size=(80, 5)), rng.normal(size=(80, 80))
    split = np.where(np.arange(80) % 2, "test", "train")
    protocol = Protocol(setting=setting, relevance=relevance, normalize="block")
    class_split = make_class_split([f"class {i}" for i in range(4)], rule="parity")

    def score(images, texts):
        assert images.shape == texts.shape and images.ndim == 1
        return truth[images, texts]

    given = (image, text, labels, split)
    plain = evaluate(*given, class_split=class_split, protocol=protocol)
    found = evaluate(*given, class_split=class_split, protocol=protocol, reranker=Reranker(score, 6))
    every = evaluate(*given, class_split=class_split, protocol=protocol, reranker=Reranker(score, 80))
    names = np.arange(80) if relevance == "instance" else labels
    for part in part_rows(labels, split, class_split=class_split, protocol=protocol):
        for direction in DIRECTIONS:
            scores = truth if direction == "i2t" else truth.T
            scores = scores[np.ix_(part.queries, part.gallery)]
            expected = [
                naive.average_precision(naive.relevant_ranks(row, names[part.gallery] == name))
                for row, name in zip(scores, names[part.queries], strict=True)
            ]
            np.testing.assert_allclose(every.parts[part.name][direction].average_precision, expected)
        assert found.map(part.name) not in (plain.map(part.name), every.map(part.name))
        for name in ("recall@10", "precision@50"):  # what the first six have, they keep
            assert found.metric(name, part.name) == pytest.approx(plain.metric(name, part.name))


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((19, 5)), r"must be real numbers \(20, k\)"),
        (np.zeros(20), r"must be real numbers \(20, k\)"),
        (np.zeros((20, 5), int), r"must be real numbers \(20, k\)"),
        (np.zeros((20, 51)), "51 scores a query but the ranking is of 50 items"),
        (np.where(np.arange(100).reshape(20, 5) == 7, np.nan, 0.0), "scores of query 1 are not finite"),
    ],
)
def test_scores_that_do_not_fit_are_refused_in_one_line(scores, message):
    with pytest.raises(DataError, match=message) as caught:
        rerank(rank(*draw(20, 50, 4, 3)), scores)
    assert "\n" not in str(caught.value)


def test_items_and_scores_of_other_shapes_are_refused():
    with pytest.raises(DataError, match=r"need one score each, not scores of shape \(4, 3\)"):
        rerank_items(np.zeros((4, 2), np.int64), np.zeros((4, 3)))


@pytest.mark.parametrize(
    "make", [lambda: Reranker(lambda images, texts: images, 0), lambda: top_items([[1]], [[1]], k=0)]
)
def test_none_to_rerank_is_refused(make):
    with pytest.raises(ProtocolError, match="at least"):
        make()
