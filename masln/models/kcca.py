"""Kernel canonical correlation analysis: CCA in the feature spaces of two kernels."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from masln.data import PairedDataset
from masln.errors import ConfigError, unknown_name
from masln.models.linear import LinearMethod
from masln.nn import KERNELS, KernelValues, canonical_coefficients, canonical_directions, gram_space, remembered

__all__ = ["KCCA", "KERNELS"]

_BLOCK = 2048
_coordinates, _landmark_coordinates = remembered(last=1)(gram_space), remembered(last=2)(gram_space)


class KCCA(LinearMethod):
    """Regularised kernel CCA, exact up to ``exact_pairs`` training pairs, in a Nystroem approximation above.

    With the centred kernel matrices K_x, K_y of n training pairs and r_x = ridge * trace(K_x) / n, it finds A, B with

        maximise  tr(A' K_x K_y B) / n   subject to   A' (K_x^2 / n + r_x K_x) A = I,  B' (K_y^2 / n + r_y K_y) B = I,

    which is ridge CCA in the kernels' feature spaces. The kernels are exp(-g |x - x'|^2) or (g x'x + 1)^degree with
    1 / g = ``width`` times the mean squared distance of two training items. Above ``exact_pairs`` the kernel is
    replaced by K_nm K_mm^-1 K_mn with m of the training pairs, drawn evenly from all (Nystroem). Signs are fixed by
    the largest entry of each image coefficient.

    Args:
        kernel: ``rbf`` or ``polynomial``.
        width: Of both kernels, relative to the mean squared distance.
        degree: Of the polynomial.
        ridge: Above 0, relative to the total variance in a kernel's feature space; without it any two views
            correlate perfectly.
        n_components: Code width; lowered to the number of directions that correlate at all.
        input_scaling: As for ``masln.nn.InputScaling``.
        exact_pairs: Most pairs for which the n x n matrices are solved.
        landmarks: The m of the approximation.

    References:
        Hardoon, D. R., Szedmak, S., Shawe-Taylor, J.: Canonical correlation analysis: an overview with application to
        learning methods. Neural Computation 16(12), 2004. Williams, C., Seeger, M.: Using the Nyström method to speed
        up kernel machines. NIPS 2000.
    """

    summary: ClassVar[str] = "kernel CCA, RBF or polynomial"
    reference: ClassVar[str] = "Hardoon et al., Neural Computation 2004"
    # All components count alike in a code, and most of many are made of noise: on validation classes 10 have .67 and 64
    # have .59 with the 10 topics of the Wikipedia articles, .53 and .48 on emoji (class splits 100 to 102).
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "input_scaling": ("center-l2", "standardize"),
        "kernel": KERNELS,
        "ridge": (0.01, 0.001, 0.1),
        "n_components": (64, 10),
    }
    LEARNED: ClassVar[tuple[str, ...]] = ("image_landmarks", "text_landmarks", "gammas", "correlations")
    LEAST: ClassVar[dict[str, float]] = {
        "width": 1e-9,
        "degree": 1,
        "ridge": 1e-9,
        "n_components": 1,
        "exact_pairs": 0,
        "landmarks": 1,
    }

    image_landmarks_: Tensor
    text_landmarks_: Tensor
    gammas_: Tensor
    correlations_: Tensor

    def __init__(
        self,
        *,
        kernel: str = "rbf",  # ours, as all here
        width: float = 1.0,
        degree: int = 2,
        ridge: float = 0.01,
        n_components: int = 64,
        input_scaling: str = "center-l2",
        exact_pairs: int = 5000,
        landmarks: int = 1000,
    ) -> None:
        self.kernel = kernel
        self.width = width
        self.degree = degree
        self.ridge = ridge
        self.n_components = n_components
        self.input_scaling = input_scaling
        self.exact_pairs = exact_pairs
        self.landmarks = landmarks

    def check(self, pairs: PairedDataset) -> None:
        """See ``Method.check``."""
        super().check(pairs)
        if self.kernel not in KERNELS:
            raise ConfigError(unknown_name("kernel", self.kernel, KERNELS))

    def _lift(self, views: dict[str, Tensor]) -> None:
        n = len(views["image"])
        m = n if n <= self.exact_pairs else min(self.landmarks, n)
        rows = torch.linspace(0, n - 1, m, dtype=torch.float64).round().long()
        self.image_landmarks_, self.text_landmarks_ = (X[rows] for X in views.values())
        distances = [2 * float(X.var(dim=0, correction=0).sum()) for X in views.values()]
        self.gammas_ = torch.tensor([1 / (self.width * distance or 1.0) for distance in distances], dtype=torch.float64)

    def _features(self, modality: str) -> nn.Module:
        """Kernel values (n, m) with the landmarks."""
        gamma = float(self.gammas_[("image", "text").index(modality)])
        return KernelValues(self._landmarks()[modality], self.kernel, gamma, self.degree)

    def _directions(self, image: Tensor, text: Tensor, train: PairedDataset) -> tuple[Tensor, Tensor]:
        n, m = image.shape
        if m < n:
            bases = [_landmark_coordinates(self._features(name)(X))[1] for name, X in self._landmarks().items()]
            weights, self.correlations_ = canonical_directions(
                image @ bases[0],
                text @ bases[1],
                ridge=(self.ridge * bases[0].shape[1], self.ridge * bases[1].shape[1]),  # of the total, not the mean
                n_components=self.n_components,
            )
            return bases[0] @ weights[0], bases[1] @ weights[1]
        K_x, K_y = (K - K.mean(dim=1, keepdim=True) for K in (image, text))
        Z, to_coefficients = _coordinates((K_y + K_y.T) / 2)
        (left, right), self.correlations_ = canonical_coefficients(
            (K_x + K_x.T) / 2,
            Z,
            ridges=(self.ridge * float(K_x.trace()) / n, self.ridge * float(K_y.trace()) / n),
            n_components=self.n_components,
        )
        return left, to_coefficients @ right

    def _landmarks(self) -> dict[str, Tensor]:
        return {"image": self.image_landmarks_, "text": self.text_landmarks_}

    def _encode(self, X: NDArray[Any], modality: str, mask: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        codes = np.empty((len(X), self.weights_[modality].shape[1]))
        for start in range(0, len(X), _BLOCK):  # bounds the memory of the kernel values
            codes[start : start + _BLOCK] = super()._encode(X[start : start + _BLOCK], modality)
        return codes
