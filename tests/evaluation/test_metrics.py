from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from masln.errors import DataError, ProtocolError
from masln.evaluation import (
    RankedRelevance,
    average_precision_at,
    average_precision_at_all,
    first_rank,
    hit_at,
    interpolated_precision,
    ndcg_at,
    precision_at,
    precision_recall_points,
    r_precision,
    rank,
    recall_at,
    reciprocal_rank,
)
from tests.evaluation import naive


def ranking_of(*ranks, gallery_size=20):
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in ranks])]).astype(np.int64)
    return RankedRelevance(np.arange(len(ranks)), offsets, np.array(list(chain(*ranks)), dtype=np.int64), gallery_size)


rank_lists = st.lists(
    st.lists(st.integers(1, 60), min_size=1, max_size=25, unique=True).map(sorted), min_size=1, max_size=8
)


def test_a_worked_example():
    # relevant items at ranks 1, 3 and 6 of 20: precisions 1, 2/3 and 1/2
    ranking = ranking_of([1, 3, 6])
    assert average_precision_at_all(ranking) == pytest.approx([(1 + 2 / 3 + 1 / 2) / 3])
    assert average_precision_at(ranking, 5, denominator="hits") == pytest.approx([(1 + 2 / 3) / 2])
    assert average_precision_at(ranking, 2, denominator="min") == pytest.approx([1 / 2])
    assert average_precision_at(ranking, 2, denominator="all") == pytest.approx([1 / 3])
    assert precision_at(ranking, 5) == pytest.approx([2 / 5])
    assert recall_at(ranking, 5) == pytest.approx([2 / 3])
    assert ndcg_at(ranking, 5) == pytest.approx([(1 + 0.5) / (1 + 1 / np.log2(3) + 0.5)])
    assert r_precision(ranking) == pytest.approx([2 / 3])
    assert reciprocal_rank(ranking_of([4, 5])) == pytest.approx([0.25])
    assert first_rank(ranking_of([4, 5])).tolist() == [4]
    assert hit_at(ranking_of([4], [6]), 5).tolist() == [1, 0]
    curve = interpolated_precision(ranking, np.array([0, 1 / 3, 0.5, 1]))
    assert curve == pytest.approx(np.array([[1, 1, 2 / 3, 1 / 2]]))
    recalls, precisions = precision_recall_points(ranking, 0)
    assert recalls == pytest.approx([1 / 3, 2 / 3, 1])
    assert precisions == pytest.approx([1, 2 / 3, 1 / 2])


@given(rank_lists, st.integers(1, 70))
@settings(max_examples=100, deadline=None)
def test_every_metric_equals_a_plain_loop(ranks, k):
    ranking = ranking_of(*ranks, gallery_size=60)
    expected = {
        "ap": [naive.average_precision(r) for r in ranks],
        **{d: [naive.average_precision_at(r, k, d) for r in ranks] for d in ("hits", "min", "all")},
        "p": [naive.hits(r, k) / k for r in ranks],
        "recall": [naive.hits(r, k) / len(r) for r in ranks],
        "ndcg": [naive.ndcg(r, k) for r in ranks],
        "rr": [1 / r[0] for r in ranks],
        "rp": [naive.hits(r, len(r)) / len(r) for r in ranks],
        "hit": [float(r[0] <= k) for r in ranks],
    }
    found = {
        "ap": average_precision_at_all(ranking),
        **{d: average_precision_at(ranking, k, denominator=d) for d in ("hits", "min", "all")},
        "p": precision_at(ranking, k),
        "recall": recall_at(ranking, k),
        "ndcg": ndcg_at(ranking, k),
        "rr": reciprocal_rank(ranking),
        "rp": r_precision(ranking),
        "hit": hit_at(ranking, k),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-12, err_msg=name)
        assert (found[name] <= 1 + 1e-12).all()


@given(rank_lists)
@settings(max_examples=60, deadline=None)
def test_the_interpolated_curve_equals_a_plain_loop_and_falls(ranks):
    recalls = np.linspace(0, 1, 11)
    curve = interpolated_precision(ranking_of(*ranks, gallery_size=60), recalls)
    expected = [[naive.interpolated(r, recall) for recall in recalls] for r in ranks]
    np.testing.assert_allclose(curve, expected, rtol=1e-12)
    assert (np.diff(curve, axis=1) <= 0).all()


def test_the_curve_of_one_query_does_not_reach_into_the_next():
    curve = interpolated_precision(ranking_of([5], [1, 2, 3, 10]), np.array([1.0]))
    assert curve == pytest.approx(np.array([[1 / 5], [4 / 10]]))


def test_ndcg_equals_scikit_learn():
    rng = np.random.default_rng(0)
    queries, gallery = rng.standard_normal((20, 5)), rng.standard_normal((60, 5))
    query_labels, gallery_labels = rng.integers(0, 3, 20), rng.integers(0, 3, 60)
    ranking = rank(queries, gallery, query_labels, gallery_labels, similarity="dot")
    relevant = (query_labels[:, None] == gallery_labels).astype(float)
    expected = [ndcg_score([r], [s], k=10) for r, s in zip(relevant, queries @ gallery.T, strict=True)]
    np.testing.assert_allclose(ndcg_at(ranking, 10), expected, rtol=1e-12)


def test_the_three_definitions_of_map_at_50_differ():
    # one random ranking: the figures that public code prints as "mAP@50" lie far apart
    rng = np.random.default_rng(0)
    ranks = [sorted(rng.choice(693, 70, replace=False) + 1) for _ in range(300)]
    ranking = ranking_of(*[[int(r) for r in query] for query in ranks], gallery_size=693)
    hits, least, every = (average_precision_at(ranking, 50, denominator=d).mean() for d in ("hits", "min", "all"))
    assert hits > 5 * least > 5 * every > 0


def test_a_query_with_nothing_relevant_gives_nan_everywhere():
    ranking = ranking_of([2], [], [1, 4], [])
    figures = [
        average_precision_at_all(ranking),
        *(average_precision_at(ranking, 3, denominator=d) for d in ("hits", "min", "all")),
        *(metric(ranking, 3) for metric in (precision_at, recall_at, ndcg_at, hit_at)),
        *(metric(ranking) for metric in (r_precision, reciprocal_rank, first_rank)),
        interpolated_precision(ranking, np.array([0.0, 1.0]))[:, 1],
    ]
    for values in figures:
        assert np.isnan(values).tolist() == [False, True, False, True]
    assert average_precision_at_all(ranking)[[0, 2]] == pytest.approx([1 / 2, (1 + 2 / 4) / 2])
    assert np.isnan(interpolated_precision(ranking_of([], []), np.array([0.5]))).all()


def test_a_cutoff_or_denominator_that_is_none():
    with pytest.raises(ProtocolError, match="positive whole number, not 0"):
        precision_at(ranking_of([1]), 0)
    with pytest.raises(ProtocolError, match="did you mean 'hits'"):
        average_precision_at(ranking_of([1]), 5, denominator="hit")


@pytest.mark.parametrize(
    ("offsets", "ranks", "message"),
    [
        ([0, 1], [1], "2 queries needs that many"),
        ([0, 2, 1], [1], "ascending offsets"),
        ([1, 1, 2], [1, 2], "from 0"),
        ([0, 1, 3], [1, 2], "end at 3 but there are 2"),
        ([0, 1, 2], [0, 1], r"1\.\.9"),
        ([0, 1, 2], [1, 10], r"1\.\.9"),
        ([0, 0, 2], [3, 3], "ascending and each occur once"),
        ([0, 2, 2], [5, 3], "ascending"),
    ],
)
def test_a_malformed_ranking_is_refused(offsets, ranks, message):
    with pytest.raises(DataError, match=message):
        RankedRelevance(np.arange(2), np.array(offsets), np.array(ranks), 9)


def test_rankings_are_taken_apart_and_joined():
    ranking = ranking_of([2, 5], [], [1], [3, 4, 9])
    picked = ranking.select(np.array([3, 0]))
    assert picked.queries.tolist() == [3, 0]
    assert picked.ranks.tolist() == [3, 4, 9, 2, 5]
    rest = ranking.select(np.array([False, True, True, False]))
    joined = RankedRelevance.concatenate([picked, rest])
    assert joined.queries.tolist() == [0, 1, 2, 3]
    assert joined.ranks.tolist() == ranking.ranks.tolist()
    assert joined.n_relevant.tolist() == [2, 0, 1, 3]
    assert len(ranking) == 4
    with pytest.raises(DataError, match="one gallery size"):
        RankedRelevance.concatenate([picked, ranking_of([1], gallery_size=3)])
