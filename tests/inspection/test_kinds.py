"""What pairs of near-duplicates come to, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from masln.inspection.kinds import NearDuplicates, NearPairs, kinds_of


def near(*pairs: tuple[int, int, float]) -> NearPairs:
    first, second, distance = zip(*pairs, strict=True)
    return NearPairs(np.array(first), np.array(second), np.array(distance, dtype=float))


def test_kinds_are_numbered_as_they_come():
    assert kinds_of(["b", None, "a", "b", None, "c"]).tolist() == [0, -1, 1, 0, -1, 2]
    assert kinds_of([]).tolist() == []


def test_rows_across_and_within():
    kinds = kinds_of(["a", "b", "c", "a", "d", None, "e", "b"])
    in_test = np.array([False, False, False, True, True, True, True, False])
    found = NearDuplicates(kinds, in_test)
    found.add(near((1, 3, 5.0), (2, 3, 4.0)))  # d is near b, and nearer to c
    assert found.test_rows().tolist() == [3, 4] and found.test_rows(same=True).tolist() == [3]
    assert found.compared == 3, "the row of no kind is left out"
    assert found.later_copies == 3, "the second a, the second b, and d"
    assert list(found.strongest(9)) == [(3, 0, 0.0), (4, 2, 4.0)]
    assert len(list(found.strongest(1))) == 1


def test_near_at_no_distance_is_not_the_same():
    found = NearDuplicates(kinds_of(["a", "b"]), np.array([False, True]))
    found.add(near((0, 1, 0.0)))
    assert found.test_rows().tolist() == [1] and found.test_rows(same=True).tolist() == []


def test_pairs_within_one_part_are_not_across():
    found = NearDuplicates(kinds_of("abcd"), np.array([False, False, True, True]))
    found.add(near((0, 1, 1.0), (2, 3, 1.0)))
    assert found.test_rows().tolist() == [] and list(found.strongest(5)) == [] and found.later_copies == 2


@pytest.mark.parametrize("seed", range(5))
def test_any_pairs_in_any_pieces_against_a_naive_count(seed):
    rng = np.random.default_rng(seed)
    rows, number = 60, 40
    kinds = kinds_of(rng.integers(0, number, rows).tolist())
    kinds[rng.random(rows) < 0.1] = -1
    kinds = kinds_of(None if kind < 0 else int(kind) for kind in kinds)
    number = kinds.max() + 1
    in_test = rng.random(rows) < 0.4
    distances = np.where(rng.random((number, number)) < 0.05, rng.integers(1, 9, (number, number)), np.inf)
    distances = np.triu(distances, 1) + np.tril(np.full((number, number), np.inf))
    both = np.minimum(distances, distances.T)
    np.fill_diagonal(both, 0)
    found = NearDuplicates(kinds, in_test)
    first, second = np.nonzero(np.isfinite(np.triu(distances, 1)) & (np.triu(np.ones_like(distances), 1) > 0))
    for part in np.array_split(rng.permutation(len(first)), 7):
        found.add(NearPairs(first[part], second[part], distances[first[part], second[part]]))
    best = {}
    for row in np.flatnonzero(in_test & (kinds >= 0)).tolist():
        to = [both[kinds[row], kinds[other]] for other in np.flatnonzero(~in_test & (kinds >= 0)).tolist()]
        if min(to) < np.inf:
            best[row] = min(to)
    assert found.test_rows().tolist() == sorted(best)
    assert {match.test: match.distance for match in found.strongest(rows)}.items() <= best.items()
    for match in found.strongest(rows):
        assert both[kinds[match.test], kinds[match.train]] == match.distance and not in_test[match.train]
    earlier = [
        row
        for row in range(rows)
        if kinds[row] >= 0
        and (kinds[row] in kinds[:row] or any(both[kinds[row], kind] < np.inf for kind in range(kinds[row])))
    ]
    assert found.later_copies == len(earlier)
