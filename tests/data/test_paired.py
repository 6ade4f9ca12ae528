from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from masln.data import PairedDataset
from masln.errors import DataError
from tests.conftest import add_label_sets, make_pairs


def changed(pairs: PairedDataset, **values: object) -> PairedDataset:
    return dataclasses.replace(pairs, **values)


def test_rows_that_do_not_match_are_named(pairs):
    with pytest.raises(DataError, match=r"text has 119 rows but labels has 120"):
        changed(pairs, text=pairs.text[:-1])


def test_bytes_are_refused_as_text(pairs):
    texts = np.array([b"a cat"] * len(pairs))
    with pytest.raises(DataError, match=r"texts row 0 is bytes; decode it first"):
        changed(pairs, texts=texts)


def test_integer_features_are_refused(pairs):
    with pytest.raises(DataError, match="image must be a floating-point array, got int64"):
        changed(pairs, image=np.zeros(pairs.image.shape, dtype=np.int64))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("field", ["image", "text", "class_embeddings"])
def test_non_finite_values_are_found_and_named(pairs, field, value):
    broken = getattr(pairs, field).copy()
    broken[3, 1] = value
    where = "class 'class3'" if field == "class_embeddings" else r"pair '3' \(row 3\)"
    with pytest.raises(DataError, match=f"{field} of {where} is not finite"):
        changed(pairs, **{field: broken}).require_finite()
    pairs.require_finite()


def test_labels_must_index_class_names(pairs):
    with pytest.raises(DataError, match="labels run from 0 to 5 but there are 5 class names"):
        changed(pairs, class_names=pairs.class_names[:5], class_embeddings=None)


def test_repeated_class_names_and_odd_splits_are_refused(pairs):
    with pytest.raises(DataError, match="class names repeat"):
        changed(pairs, class_names=("a",) * 6)
    with pytest.raises(DataError, match=r"split holds \['dev'\]"):
        changed(pairs, split=np.array(["dev"] * len(pairs)))


def test_of_classes_keeps_nothing_of_the_others(pairs):
    kept = pairs.of_classes((4, 1))
    assert kept.class_names == ("class4", "class1")
    assert set(kept.labels.tolist()) == {0, 1}
    rows = np.flatnonzero(np.isin(pairs.labels, (4, 1)))
    np.testing.assert_array_equal(kept.image, pairs.image[rows])
    np.testing.assert_array_equal(kept.labels == 0, pairs.labels[rows] == 4)
    np.testing.assert_array_equal(kept.class_embeddings, pairs.class_embeddings[[4, 1]])


def test_of_classes_names_a_class_without_pairs(pairs):
    rows = np.flatnonzero(pairs.labels != 2)
    with pytest.raises(DataError, match="no pair of class class2 among"):
        pairs.of_classes((1, 2), rows)


def test_of_classes_leaves_out_every_pair_that_carries_another_class(pairs):
    several = add_label_sets(pairs)
    kept = several.of_classes((4, 1))
    carried = [set(np.flatnonzero(row).tolist()) for row in several.label_sets]
    rows = [row for row, own in enumerate(carried) if own <= {4, 1}]
    main = np.isin(several.labels, (4, 1))
    assert 0 < len(rows) < main.sum(), "some pairs of these classes are mixed"
    assert several.rows_of((4, 1)).tolist() == rows
    np.testing.assert_array_equal(kept.image, several.image[rows])
    assert kept.label_sets.shape == (len(rows), 2)
    np.testing.assert_array_equal(kept.label_sets, several.label_sets[rows][:, [4, 1]])
    assert kept.label_sets[np.arange(len(rows)), kept.labels].all()
    assert len({tuple(row) for row in kept.label_sets.tolist()}) > 1


def test_of_classes_says_where_a_class_lost_its_pairs(pairs):
    sets = add_label_sets(pairs, share=0.0).label_sets
    sets[pairs.labels == 2, 5] = True
    with pytest.raises(DataError, match="no pair of class class2 among the 120 rows asked: all 20 carry"):
        changed(pairs, label_sets=sets).of_classes((1, 2))
    assert len(changed(pairs, label_sets=sets).of_classes((2, 5))) == 40


def test_label_sets_are_checked_and_go_with_their_rows(pairs):
    several = add_label_sets(pairs)
    rows = np.array([7, 3, 90])
    np.testing.assert_array_equal(several.take(rows).label_sets, several.label_sets[rows])
    with pytest.raises(DataError, match="row 0 lacks the pair's own main class 1"):
        changed(several, labels=(pairs.labels + 1) % 6, label_sets=several.label_sets & (np.arange(6) == 0))
    with pytest.raises(DataError, match="label_sets has 119 rows but labels has 120"):
        changed(several, label_sets=several.label_sets[:-1])
    with pytest.raises(DataError, match=r"synthetic: label_sets \(120, 5\) must have"):
        changed(several, label_sets=several.label_sets[:, :5])


def test_official_parts_partition_the_rows(pairs):
    train, test = pairs.rows("train"), pairs.rows("test")
    assert sorted([*train, *test]) == list(range(len(pairs)))
    assert set(pairs.split[test]) == {"test"}
    with pytest.raises(DataError, match="no official split"):
        changed(pairs, split=None).rows("train")


def test_sequences_load_and_need_a_mask():
    base = make_pairs(classes=2, per_class=3)
    tokens = np.zeros((6, 5, 4), dtype=np.float32)
    with pytest.raises(DataError, match="needs a text_mask"):
        changed(base, text=tokens)
    with pytest.raises(DataError, match="takes no text_mask; leave it out"):
        changed(base, text_mask=np.ones((6, 5), dtype=bool))
    mask = np.ones((6, 5), dtype=bool)
    both = changed(base, text=tokens, text_mask=mask, image=np.zeros((6, 49, 8), dtype=np.float16))
    assert both.take(np.array([1, 2])).text_mask.shape == (2, 5)


def test_pairs_of_one_picture_have_one_number(pairs):
    assert pairs.pictures.tolist() == list(range(len(pairs))), "without paths, each shows its own"
    paths = np.array([f"{row // 3}.jpg" for row in range(len(pairs))])
    numbers = changed(pairs, image_paths=paths).pictures
    assert all((numbers[i] == numbers[j]) == (paths[i] == paths[j]) for i in range(12) for j in range(12))
