"""Block normalisation of codes, as the public code of DADN and JFSE does before it ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from masln.evaluation.scores import as_codes


def block_normalize(codes: ArrayLike) -> NDArray[Any]:
    """Z-normalise each dimension by the mean and standard deviation of the set itself (ddof 0).

    It looks at all rows, so a figure that uses it is transductive. A dimension whose values all lie within a few
    rounding errors carries nothing and becomes 0, so collapsed codes stay collapsed.

    Args:
        codes: (n, d).

    Returns:
        (n, d) of the same precision, at least float32.

    Raises:
        DataError: The codes are not a finite (n, d) array.
    """
    array = as_codes(codes, name="codes")
    array = array.astype(np.result_type(array, np.float32), copy=False)
    exact = array.astype(np.float64)
    mean, deviation = exact.mean(axis=0), exact.std(axis=0)
    spread = exact.max(axis=0) - exact.min(axis=0)
    # 8: ours; below that many units in the last place a spread is rounding noise
    constant = spread <= 8 * np.finfo(array.dtype).eps * np.abs(exact).max(axis=0)
    normal: NDArray[Any] = np.empty_like(array)
    np.divide(exact - mean, np.where(constant, 1.0, deviation), out=normal, casting="same_kind")
    normal[:, constant] = 0.0
    return normal
