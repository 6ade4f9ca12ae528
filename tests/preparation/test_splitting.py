"""The drawn split: a share of every class, nothing that hangs together parted."""

from __future__ import annotations

import numpy as np
import pytest

from masln.errors import SplitError
from masln.preparation import components, draw_split
from masln.preparation.splitting import check_classes


def naive_components(*keys):
    """Join sets until none of them meet."""
    sets = [{pair} for pair in range(len(keys[0]))]
    for values in keys:
        for value in set(values) - {""}:
            sets.append({pair for pair, own in enumerate(values) if own == value})
    joined = True
    while joined:
        joined = False
        for one in sets:
            for other in sets:
                if one is not other and one & other:
                    one |= other
                    sets.remove(other)
                    joined = True
                    break
            if joined:
                break
    return sorted(map(sorted, sets))


@pytest.mark.parametrize("seed", range(5))
def test_components_are_those_of_a_naive_search(seed):
    rng = np.random.default_rng(seed)
    keys = [[f"k{number}" if number else "" for number in rng.integers(0, 9, 15)] for _ in range(2)]
    numbers = components(*keys)
    found = [np.flatnonzero(numbers == number).tolist() for number in range(numbers.max() + 1)]
    assert sorted(found) == naive_components(*keys)
    assert [pairs[0] for pairs in found] == sorted(pairs[0] for pairs in found)


def test_each_class_gives_its_share():
    labels = ["a"] * 20 + ["b"] * 8 + ["c"] * 2
    split = draw_split(labels, np.arange(30), test_share=0.25, seed=3)
    assert [(split[[own == name for own in labels]] == "test").sum() for name in "abc"] == [5, 2, 1]
    assert (split == draw_split(labels, np.arange(30), test_share=0.25, seed=3)).all()
    assert (split != draw_split(labels, np.arange(30), test_share=0.25, seed=4)).any()


def test_what_hangs_together_stays_together_and_something_is_left_to_train_on():
    labels = ["a"] * 10 + ["b"] * 4
    together = np.array([0] * 6 + [1] * 4 + [2, 2, 2, 3])
    split = draw_split(labels, together, test_share=0.9, seed=0)
    for number in range(4):
        assert len(set(split[together == number])) == 1
    for name in "ab":
        assert set(split[np.array(labels) == name]) == {"train", "test"}


def test_what_cannot_be_parted_is_refused():
    with pytest.raises(SplitError, match=r"class 'b' has 2 pair\(s\) that cannot be parted"):
        draw_split(["a", "a", "b", "b"], np.array([0, 1, 2, 2]))
    with pytest.raises(SplitError, match=r"test share 1\.0 must lie between"):
        draw_split(["a", "a"], np.arange(2), test_share=1.0)


@pytest.mark.parametrize(
    ("names", "labels", "split", "message"),
    [
        (["a"], [0, 0], ["train", "test"], "only one class (a); two at least"),
        (["a", "b"], [0, 1, 1], ["test", "train", "validation"], "no test pair of class b"),
        (["a", "b"], [0, 1], ["test", "test"], "no training pair"),
    ],
)
def test_splits_that_allow_no_evaluation_are_refused(names, labels, split, message):
    with pytest.raises(SplitError) as caught:
        check_classes(names, np.array(labels), np.array(split))
    assert message in str(caught.value)
