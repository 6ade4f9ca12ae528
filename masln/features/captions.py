"""Several captions of one image: which of them are encoded, and how their features become one or several rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.errors import ConfigError, DataError, unknown_name

__all__ = ["CAPTION_POLICIES", "CaptionRows", "caption_rows", "pool_captions"]

#: `mean`: the mean of the captions' features; `first`: the first caption alone; `concat`: one text of all captions;
#: `each`: a pair for each caption, so that an image stands in several pairs. The name goes into the manifest.
CAPTION_POLICIES = ("mean", "first", "concat", "each")


@dataclass(frozen=True)
class CaptionRows:
    """The texts to encode, in order.

    Attributes:
        texts: m texts.
        owners: (m,) which pair each belongs to, never falling.
        policy: One of `CAPTION_POLICIES`.
    """

    texts: tuple[str, ...]
    owners: NDArray[np.intp]
    policy: str


def caption_rows(captions: Sequence[Sequence[str]], *, policy: str) -> CaptionRows:
    """Lay out the texts that a policy encodes.

    Args:
        captions: n pairs' captions, at least one each.
        policy: One of `CAPTION_POLICIES`.

    Returns:
        n texts for `first` and `concat`, all captions for `mean` and `each`.

    Raises:
        ConfigError: The policy is unknown.
        DataError: A pair has no caption, or one string where its captions belong.
    """
    if policy not in CAPTION_POLICIES:
        raise ConfigError(unknown_name("caption policy", policy, CAPTION_POLICIES))
    texts: list[str] = []
    owners: list[int] = []
    for pair, own in enumerate(captions):
        if isinstance(own, str | bytes) or not own:
            raise DataError(f"pair {pair} has {own!r} for captions; give each pair a list of at least one text")
        chosen = {"first": own[:1], "concat": [" ".join(own)]}.get(policy, own)
        texts.extend(chosen)
        owners.extend([pair] * len(chosen))
    return CaptionRows(tuple(texts), np.array(owners, dtype=np.intp), policy)


def pool_captions(features: NDArray[Any], rows: CaptionRows) -> NDArray[np.float32]:
    """Bring the features of the texts to one row for each pair that the policy makes.

    Args:
        features: (m, d) global or (m, length, d) sequence features of `rows.texts`.
        rows: What was encoded.

    Returns:
        `mean`: (n, d), means in float64, not scaled again; otherwise the features as they are, one row a text.
        Row i of `each` belongs to pair `rows.owners[i]`, whose image and label it repeats.

    Raises:
        DataError: The rows do not match, or the mean of sequences is asked, whose positions have nothing in common.
    """
    if len(features) != len(rows.texts):
        raise DataError(f"{len(features)} rows of features for {len(rows.texts)} texts; encode all of them, in order")
    if rows.policy != "mean":
        return np.asarray(features, dtype=np.float32)
    if features.ndim != 2:
        raise DataError("token sequences of several captions have no mean; choose first, concat or each")
    starts = np.flatnonzero(np.diff(rows.owners, prepend=-1))
    counts = np.diff(np.append(starts, len(rows.owners)))
    sums = np.add.reduceat(np.asarray(features, dtype=np.float64), starts, axis=0)
    return (sums / counts[:, None]).astype(np.float32)
