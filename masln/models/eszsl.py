"""ESZSL in both modalities: the closed-form bilinear map of features to class embeddings."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from torch import Tensor

from masln.data import PairedDataset
from masln.models.class_encoder import ClassEncoder
from masln.models.linear import LinearMethod
from masln.nn import relative_ridge

__all__ = ["ESZSL"]


class ESZSL(ClassEncoder, LinearMethod):
    """Embarrassingly simple zero-shot learning, once for each modality; codes lie in class-embedding space.

    For the features X (n, p) of a modality, the embeddings S (z, a) of the z training classes and Y (n, z) with 1 at
    an item's class and -1 elsewhere, V (p, a) solves

        minimise  ||X V S' - Y||^2 + g ||V S'||^2 + l ||X V||^2 + g l ||V||^2,
        V = (X'X + g I)^-1 X'Y S (S'S + l I)^-1.

    The code of an item x is V'x, so that its product with the embedding of a class, seen or not, is the score of that
    class; an image and a text meet where they score classes alike. The code of a class is its embedding. As in the
    paper nothing is centred beyond what the input scaling does.

    Args:
        ridge: g / n, relative to the mean square of the features.
        class_ridge: l, relative to the mean squared norm of the class embeddings.
        input_scaling: As for ``masln.nn.InputScaling``.

    References:
        Romera-Paredes, B., Torr, P.: An embarrassingly simple approach to zero-shot learning. ICML 2015, equation 8.
        There for images alone; both ridges from 10^-3 to 10^3, chosen on validation classes.
    """

    summary: ClassVar[str] = "embarrassingly simple zero-shot learning, both modalities to class embeddings"
    reference: ClassVar[str] = "Romera-Paredes and Torr, ICML 2015"
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "input_scaling": ("center-l2", "standardize"),
        "ridge": (1.0, 0.01, 0.1, 10.0, 100.0),
        "class_ridge": (1.0, 0.01),
    }
    LEAST: ClassVar[dict[str, float]] = {"ridge": 0, "class_ridge": 0}
    CENTRED: ClassVar[bool] = False
    CLASS_EMBEDDINGS: ClassVar[bool] = True

    def __init__(
        self,
        *,
        ridge: float = 1.0,  # ours, as all here
        class_ridge: float = 1.0,
        input_scaling: str = "center-l2",
    ) -> None:
        self.ridge = ridge
        self.class_ridge = class_ridge
        self.input_scaling = input_scaling

    def _directions(self, image: Tensor, text: Tensor, train: PairedDataset) -> tuple[Tensor, Tensor]:
        S = np.asarray(train.class_embeddings, dtype=np.float64)
        targets = 2.0 * np.eye(len(S))[train.labels] - 1.0
        gram = S @ S.T
        trace = float(np.trace(gram))
        class_ridge = max(self.class_ridge * trace / len(S), 1e-12 * (trace or 1.0))
        # S (S'S + l I)^-1, through the z x z system
        to_embeddings: NDArray[Any] = np.linalg.solve(gram + class_ridge * np.eye(len(S)), S)
        return self._map(image, targets, to_embeddings), self._map(text, targets, to_embeddings)

    @property
    def d_class_(self) -> int:
        """See ``ClassEncoder``."""
        return int(self.weights_["image"].shape[1])

    def _encode_class(self, class_embeddings: NDArray[np.float64]) -> NDArray[Any]:
        return class_embeddings

    def _map(self, X: Tensor, targets: NDArray[Any], to_embeddings: NDArray[Any]) -> Tensor:
        ridge = max(len(X) * relative_ridge(X, X.shape[1], self.ridge), 1e-12)
        # scikit-learn takes the n x n system where features outnumber the pairs
        fitted = Ridge(alpha=ridge, fit_intercept=False, solver="cholesky").fit(X.numpy(), targets)
        return torch.from_numpy(fitted.coef_.T @ to_embeddings)
