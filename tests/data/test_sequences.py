from __future__ import annotations

import numpy as np
import pytest

from masln.data import check_text_mask, finite_rows, row_blocks
from masln.errors import DataError

TEXT = np.zeros((3, 4, 2), dtype=np.float32)
MASK = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]], dtype=bool)


@pytest.mark.parametrize("shape", [(10, 5), (10, 3, 5), (10, 40, 5), (1, 3, 5), (0, 5)])
def test_blocks_cover_all_rows_in_order_with_a_bounded_number_of_positions(shape):
    blocks = list(row_blocks(np.zeros(shape), positions=12))
    assert [row for rows in blocks for row in range(shape[0])[rows]] == list(range(shape[0]))
    length = shape[1] if len(shape) == 3 else 1
    assert all(len(range(shape[0])[rows]) * length <= max(12, length) for rows in blocks)


def test_a_mask_that_fits_is_taken():
    check_text_mask(TEXT, MASK, where="here")
    check_text_mask(TEXT[:, 0], None, where="here")


@pytest.mark.parametrize(
    ("text", "mask", "message"),
    [
        (TEXT, None, r"here: text is a token sequence \(3, 4, 2\) and needs a text_mask of shape \(3, 4\)"),
        (TEXT, MASK[:, :3], "needs a text_mask of shape"),
        (TEXT, MASK.astype(np.uint8), "text_mask must be bool, .* not uint8"),
        (TEXT, MASK & (np.arange(3) != 1)[:, None], "text row 1 has no token"),
        (TEXT[:, 0], MASK, r"text \(3, 2\) is no token sequence and takes no text_mask; leave it out"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused_in_one_line(text, mask, message):
    with pytest.raises(DataError, match=message) as caught:
        check_text_mask(text, mask, where="here")
    assert "\n" not in str(caught.value)


def test_only_what_the_mask_shows_must_be_finite():
    text = TEXT.copy()
    text[1, 2, 0], text[2, 3, 1] = np.nan, np.inf
    assert finite_rows(text, MASK).tolist() == [True, True, False]
    assert finite_rows(text).tolist() == [True, False, False]
    assert finite_rows(text[:, 2]).tolist() == [True, False, True]
