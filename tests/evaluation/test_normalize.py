from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from masln.errors import DataError
from masln.evaluation import block_normalize


def test_it_is_scipy_s_z_score():
    codes = np.random.default_rng(0).normal(3, 5, (50, 4))
    np.testing.assert_allclose(block_normalize(codes), stats.zscore(codes), atol=1e-12)
    assert block_normalize(codes.astype(np.float32)).dtype == np.float32
    assert block_normalize(codes.astype(np.float16)).dtype == np.float32


@pytest.mark.parametrize("value", [0.0, 0.1, 1e-20, -3e7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_dimension_becomes_zero(value, dtype):
    codes = np.random.default_rng(0).normal(size=(1001, 3)).astype(dtype)
    codes[:, 1] = value
    # the noise of summing in another order is not a signal to blow up
    codes[::2, 1] = np.nextafter(dtype(value), dtype(1)) if value else value
    normal = block_normalize(codes)
    assert (normal[:, 1] == 0).all()
    assert np.isfinite(normal).all()
    assert normal[:, 0].std() == pytest.approx(1, abs=1e-5)


def test_a_small_but_real_spread_is_kept():
    codes = 1.0 + 1e-4 * np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    np.testing.assert_allclose(block_normalize(codes).std(axis=0), 1, atol=1e-5)


def test_one_row_and_bad_rows():
    assert (block_normalize(np.ones((1, 3))) == 0).all()
    with pytest.raises(DataError, match="not finite"):
        block_normalize([[1.0, np.nan]])
