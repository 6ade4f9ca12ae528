"""ClassEncoder: a method that has a code for a class itself, so that items can be ranked by a name alone."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from masln.errors import DataError
from masln.models.base import Method

__all__ = ["ClassEncoder"]


class ClassEncoder(Method):
    """A method that takes a class embedding to where it takes the items of that class, seen or unseen.

    Subclasses implement ``d_class_`` and ``_encode_class``; input checks are made here, once.
    """

    @property
    @abstractmethod
    def d_class_(self) -> int:
        """Width of the class embeddings that it was fitted with."""

    def encode_class(self, class_embeddings: NDArray[Any]) -> NDArray[np.float32]:
        """Codes (n, d_code) of classes, to be compared with those of items; nothing is drawn at random.

        Args:
            class_embeddings: (n, d_class), of the kind that the method was fitted with.

        Raises:
            DataError: they do not fit, or are not finite.
        """
        if getattr(self, "d_image_", None) is None:
            raise NotFittedError(f"{type(self).__name__} is not fitted; call fit, or load a saved run")
        given = np.asarray(class_embeddings, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != self.d_class_:
            raise DataError(f"class embeddings must be (n, {self.d_class_}) as in training, got {given.shape}")
        finite = np.isfinite(given).all(axis=1)
        if not finite.all():
            raise DataError(f"class embedding {int(np.argmin(finite))} is not finite; repair or drop it")
        return np.ascontiguousarray(self._encode_class(given), dtype=np.float32)

    @abstractmethod
    def _encode_class(self, class_embeddings: NDArray[np.float64]) -> NDArray[Any]:
        """Codes of checked class embeddings."""
