"""The exact first k, against a sort of the whole float64 matrix."""

from __future__ import annotations

import numpy as np
import pytest

from masln.retrieval import Part, asked_vectors, exact_top_k, stored_vectors
from masln.retrieval import top_k as module
from masln.retrieval.segment import as_half
from masln.retrieval.vectors import shown_scores
from tests.retrieval.synthetic import draw_codes


def part_of(vectors, *, half=False):
    longest = float(np.linalg.norm(vectors.astype(np.float64), axis=1).max())
    return Part(vectors, as_half(vectors) if half else None, longest)


def naive(queries, vectors, k, allowed=None):
    """Every inner product in float64, rounded once; the first k by a stable sort."""
    scores = (vectors.astype(np.float64)[None] * queries.astype(np.float64)[:, None]).sum(-1).astype(np.float32)
    if allowed is not None:
        scores[:, ~allowed] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(scores, order, axis=1)
    return np.where(np.isneginf(found), -1, order), found


def padded(rows, scores, k):
    missing = ((0, 0), (0, k - rows.shape[1]))
    return np.pad(rows, missing, constant_values=-1), np.pad(scores, missing, constant_values=-np.inf)


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("k", [1, 10, 300])
def test_it_is_the_sort_of_the_whole_matrix(similarity, half, k, monkeypatch):
    monkeypatch.setattr(module, "_SCORES", 1 << 9)
    monkeypatch.setattr(module, "_FEWEST_ROWS", 32)
    codes, asked = draw_codes(500, width=33), draw_codes(7, width=33, seed=9) * 3
    codes[100:120] = codes[7]
    vectors, queries = stored_vectors(codes, similarity), asked_vectors(asked, similarity)
    parts = [part_of(vectors[:130], half=half), part_of(vectors[130:131], half=half), part_of(vectors[131:], half=half)]
    for allowed in (None, np.arange(500) % 3 == 0, np.arange(500) >= 496):
        rows, scores = exact_top_k(queries, parts, k, allowed=allowed, workers=2)
        expected = padded(*naive(queries, vectors, k, allowed), k)
        np.testing.assert_array_equal(rows, expected[0])
        np.testing.assert_array_equal(scores, expected[1])


def test_euclidean_is_the_distance_and_cosine_the_cosine():
    codes, asked = draw_codes(200), draw_codes(3, seed=4)
    distances = np.linalg.norm(codes[None].astype(np.float64) - asked[:, None], axis=2)
    cosines = asked @ codes.T / np.linalg.norm(asked, axis=1)[:, None] / np.linalg.norm(codes, axis=1)
    for similarity, expected in (("euclidean", -distances), ("cosine", cosines)):
        vectors, queries = stored_vectors(codes, similarity), asked_vectors(asked, similarity)
        rows, scores = exact_top_k(queries, [part_of(vectors)], 5)
        np.testing.assert_array_equal(rows, np.argsort(-expected, axis=1)[:, :5])
        shown = shown_scores(scores, asked, similarity)
        np.testing.assert_allclose(shown, np.take_along_axis(expected, rows, 1), atol=1e-5)


def test_equal_scores_come_in_the_order_of_the_gallery(monkeypatch):
    """Collapsed codes, and zeros: every item ties with every other, whatever the blocks."""
    monkeypatch.setattr(module, "_FEWEST_ROWS", 16)
    monkeypatch.setattr(module, "_SCORES", 16)
    for codes in (np.ones((300, 16), np.float32), np.zeros((300, 16), np.float32)):
        vectors = stored_vectors(codes, "cosine")
        rows = exact_top_k(vectors[:3], [part_of(vectors[:70]), part_of(vectors[70:])], 12, workers=2)[0]
        np.testing.assert_array_equal(rows, np.tile(np.arange(12), (3, 1)))


def test_half_precision_gives_what_full_precision_gives():
    """Codes so close that bfloat16 cannot tell most of them apart."""
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(1, 24)) + 0.01 * rng.normal(size=(4000, 24))
    vectors = stored_vectors(codes, "cosine")
    coarse = (as_half(vectors).astype(np.int32) << 16).view(np.float32)
    assert (naive(coarse[:20], coarse, 10)[0] != naive(vectors[:20], vectors, 10)[0]).mean() > 0.5, "the case is none"
    full = exact_top_k(vectors[:20], [part_of(vectors)], 10)
    half = exact_top_k(vectors[:20], [part_of(vectors, half=True)], 10)
    np.testing.assert_array_equal(full[0], half[0])
    np.testing.assert_array_equal(full[1], half[1])
    np.testing.assert_array_equal(full[0][:, 0], np.arange(20))


def test_an_answer_does_not_depend_on_its_company():
    vectors = stored_vectors(draw_codes(3000), "cosine")
    queries = asked_vectors(draw_codes(1500, seed=3), "cosine")
    whole = exact_top_k(queries, [part_of(vectors)], 10)
    for row in (0, 700, 1030, 1499):
        rows, scores = exact_top_k(queries[row : row + 1], [part_of(vectors)], 10, workers=1)
        np.testing.assert_array_equal(rows[0], whole[0][row])
        np.testing.assert_array_equal(scores[0], whole[1][row])
