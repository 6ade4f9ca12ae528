"""Sequence features: the mask of tokens that goes with them, and reading them in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.errors import DataError

__all__ = ["check_text_mask", "finite_rows", "row_blocks"]

_POSITIONS = 8192  # ours: 40 MB of float32 vectors of 1,280 dimensions


def row_blocks(features: NDArray[Any], *, positions: int = _POSITIONS) -> Iterator[slice]:
    """Yield slices of rows with about so many positions each, at least one row.

    Args:
        features: (n, ...) a row of which is one position, or (n, length, d), where it is ``length`` of them; may be
            memory-mapped, as only its shape is looked at.
        positions: Of one slice.
    """
    length = features.shape[1] if features.ndim == 3 else 1
    rows = max(1, positions // length)
    for start in range(0, len(features), rows):
        yield slice(start, start + rows)


def check_text_mask(text: NDArray[Any], mask: NDArray[Any] | None, *, where: str) -> None:
    """Find out whether a mask is there if and only if the text is a sequence, and fits it.

    Args:
        text: (n, d_text) or (n, tokens, d_text).
        mask: (n, tokens) bool, True where there is a token; or None.
        where: For the message.

    Raises:
        DataError: a mask is missing, not wanted, of the wrong shape or type, or leaves a row without any token.
    """
    if text.ndim != 3:
        if mask is not None:
            raise DataError(f"{where}: text {text.shape} is no token sequence and takes no text_mask; leave it out")
        return
    if mask is None or mask.shape != text.shape[:2]:
        raise DataError(
            f"{where}: text is a token sequence {text.shape} and needs a text_mask of shape {text.shape[:2]}"
        )
    if mask.dtype != np.bool_:
        raise DataError(f"{where}: text_mask must be bool, True where there is a token, not {mask.dtype}")
    some = mask.any(axis=1)
    if not some.all():
        raise DataError(f"{where}: text row {int(np.argmin(some))} has no token; give it one, of zeros if need be")


def finite_rows(features: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Which rows, (n,), hold only finite values where the mask is True; everywhere without one. Read in blocks."""
    found = np.ones(len(features), dtype=bool)
    for rows in row_blocks(features):
        finite = np.isfinite(features[rows]).all(axis=-1)
        if mask is not None:
            finite |= ~mask[rows]
        found[rows] = finite.reshape(len(finite), -1).all(axis=1)
    return found
