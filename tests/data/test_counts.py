from __future__ import annotations

import dataclasses

import numpy as np

from masln.data import carried_counts_of, counts_of, leakage_report


def test_pairs_are_counted_by_class_and_part(pairs):
    split = np.where(np.arange(len(pairs)) < 2, "validation", pairs.split)
    counts = counts_of(dataclasses.replace(pairs, split=split))
    assert counts["class0"] == {"train": 13, "validation": 2, "test": 5}
    assert counts["class5"] == {"train": 15, "validation": 0, "test": 5}


def test_without_a_split_all_are_unsplit_and_an_empty_class_has_none(pairs):
    counts = counts_of(dataclasses.replace(pairs, split=None).take(np.arange(40)))
    assert counts["class0"] == {"unsplit": 20} and counts["class2"] == {"unsplit": 0}


def test_pairs_of_several_classes_are_counted_once_by_main_class_and_wherever_they_are_carried(pairs):
    sets = np.eye(6, dtype=bool)[pairs.labels]
    sets[[0, 1, 19], 3] = True
    several = dataclasses.replace(pairs, label_sets=sets)
    assert counts_of(several) == counts_of(pairs) and carried_counts_of(pairs) is None
    carried, own = carried_counts_of(several), counts_of(pairs)
    for number, name in enumerate(pairs.class_names):
        for part in ("train", "validation", "test"):
            rows = [row for row in range(len(pairs)) if pairs.split[row] == part and sets[row, number]]
            assert carried[name][part] == len(rows)
    assert {name for name in own if carried[name] != own[name]} == {"class3"}
    assert sum(carried["class3"].values()) == sum(own["class3"].values()) + 3
    unsplit = carried_counts_of(dataclasses.replace(several, split=None))
    assert unsplit["class3"] == {"unsplit": 23} and unsplit["class0"] == {"unsplit": 20}


def test_the_cheap_part_of_the_leakage_report_reads_no_feature(pairs):
    class Unread(np.ndarray):
        def __getitem__(self, key):
            raise AssertionError("a feature was read")

    guarded = dataclasses.replace(pairs, image=pairs.image.view(Unread), text=pairs.text.view(Unread))
    cheap, whole = leakage_report(guarded, features=False), leakage_report(pairs)
    assert cheap.items() <= whole.items()
    left_out = {key for key in whole if key not in cheap}
    assert left_out == {key for key in whole if "rows" in key or "dimensions" in key or key == "identical_pairs"}
