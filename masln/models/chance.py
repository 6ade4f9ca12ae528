"""Chance: random codes, a row of every table."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from masln.data import PairedDataset
from masln.models.base import Arrays, Method, ValidationScore
from masln.training import Runtime

__all__ = ["Chance"]


class Chance(Method):
    """Codes drawn from a normal distribution, whatever the features say.

    Args:
        code_width: Width of the codes.
        seed: Of the codes; the same rows of the same modality get the same codes.
    """

    summary: ClassVar[str] = "random codes, the floor of every table"
    reference: ClassVar[str] = "ours"
    takes_sequences: ClassVar[bool] = True  # none is looked at

    def __init__(self, *, code_width: int = 64, seed: int = 0) -> None:
        self.code_width = code_width
        self.seed = seed

    def _fit(
        self,
        train: PairedDataset,
        validation: PairedDataset | None,
        runtime: Runtime,
        score: ValidationScore,
    ) -> None:
        """Nothing is learned."""

    def _encode(self, X: NDArray[Any], modality: str, mask: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        stream = ("image", "text").index(modality)
        return np.random.default_rng([self.seed, stream]).normal(size=(len(X), self.code_width))

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        return {}, {}

    def _restore(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        """Nothing was learned."""
