"""The table of pairs by class and part of the split."""

from __future__ import annotations

from masln.reporting import count_rows, count_totals

COUNTS = {"cat": {"train": 3, "validation": 0, "test": 1}, "dog": {"train": 2, "validation": 0, "test": 2}}
CARRIED = {"cat": {"train": 4, "validation": 0, "test": 2}, "dog": {"train": 2, "validation": 0, "test": 3}}


def test_a_row_a_class_and_one_for_all():
    assert count_rows(COUNTS) == [
        {"class": "cat", "train": 3, "test": 1, "all": 4},
        {"class": "dog", "train": 2, "test": 2, "all": 4},
        {"class": "all", "train": 5, "test": 3, "all": 8},
    ]
    assert count_totals(COUNTS) == {"train": 5, "validation": 0, "test": 3}


def test_a_column_for_validation_only_where_it_has_pairs_and_none_without_a_split():
    held_out = {**COUNTS, "dog": {"train": 1, "validation": 1, "test": 2}}
    assert list(count_rows(held_out)[0]) == ["class", "train", "validation", "test", "all"]
    assert count_rows({"cat": {"unsplit": 3}}) == [{"class": "cat", "all": 3}, {"class": "all", "all": 3}]


def test_pairs_that_carry_a_class_are_not_added_up_since_one_stands_in_several_rows():
    cat, dog, total = count_rows(COUNTS, CARRIED)
    assert cat == {
        "class": "cat",
        "train": 3,
        "test": 1,
        "all": 4,
        "carried in train": 4,
        "carried in test": 2,
        "carried": 6,
    }
    assert dog["carried"] == 5 and total["all"] == 8
    assert total["carried in train"] is None and total["carried"] is None
