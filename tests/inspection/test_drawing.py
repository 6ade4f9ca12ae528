from __future__ import annotations

import numpy as np

from masln.inspection import draw_pairs


def test_rows_of_each_class_by_seed(pairs):
    drawn = draw_pairs(pairs, pairs=6, seed=0)
    for label, rows in enumerate(drawn):
        assert len(set(rows.tolist())) == 6 and (pairs.labels[rows] == label).all() and (np.diff(rows) > 0).all()
    again, other = draw_pairs(pairs, pairs=6, seed=0), draw_pairs(pairs, pairs=6, seed=1)
    assert all((a == b).all() for a, b in zip(drawn, again, strict=True))
    assert any((a != b).any() for a, b in zip(drawn, other, strict=True))
    positions = {tuple((rows - 20 * label).tolist()) for label, rows in enumerate(drawn)}
    assert len(positions) > 1, "each class has a draw of its own"


def test_a_class_with_fewer_pairs_or_none(pairs):
    few = pairs.take(np.arange(23))  # 20 of the first class, 3 of the second
    assert [len(rows) for rows in draw_pairs(few, pairs=5, seed=0)] == [5, 3, 0, 0, 0, 0]


def test_one_class_does_not_move_another(pairs):
    fewer = pairs.take(np.arange(20, 120))
    assert (draw_pairs(fewer, pairs=4, seed=2)[3] + 20 == draw_pairs(pairs, pairs=4, seed=2)[3]).all()
