"""Ridge canonical correlation analysis: the linear baseline that every claim is made against."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from masln.data import PairedDataset
from masln.errors import ConfigError
from masln.models.base import Arrays, Method, ValidationScore
from masln.nn import InputScaling, canonical_directions, scaling_of
from masln.training import Runtime

__all__ = ["CCA"]


class CCA(Method):
    """Two-view CCA with a trace-relative ridge, in float64.

    With centred views X (n, p) and Y (n, q), S_xx = X'X / n and r_x = ridge * trace(S_xx) / p, it finds W_x, W_y with

        maximise  tr(W_x' S_xy W_y)   subject to   W_x' (S_xx + r_x I) W_x = I,  W_y' (S_yy + r_y I) W_y = I,

    the singular vectors of L_x^-1 S_xy L_y^-T, L the Cholesky factors. A view with more features than pairs is
    first written in an orthonormal basis of its rows (the dual, n x n, route): the optimum lies in their span, so
    the solution is the same. Signs are fixed by the largest entry of each image direction.

    Args:
        ridge: Of each view, relative to the mean variance of its features; 0 is the unregularised CCA.
        n_components: Code width; lowered to the rank that the data have.
        input_scaling: As for ``masln.nn.InputScaling``.
        weighting: Scale each canonical direction by its correlation to this power (ours; 0 is the plain CCA).

    References:
        Hotelling, H.: Relations between two sets of variates. Biometrika 28, 1936. Ridge: Vinod, 1976.
    """

    summary: ClassVar[str] = "ridge canonical correlation analysis, the linear baseline"
    reference: ClassVar[str] = "Hotelling, Biometrika 1936; Vinod, J. Econometrics 1976"
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "ridge": (1.0, 0.01, 0.1, 10.0, 100.0),
        "input_scaling": ("center-l2", "l2", "standardize", "center-l2/standardize"),
    }

    def __init__(
        self,
        *,
        ridge: float = 1.0,
        n_components: int = 64,
        input_scaling: str = "center-l2",
        weighting: float = 0.0,
    ) -> None:
        self.ridge = ridge
        self.n_components = n_components
        self.input_scaling = input_scaling
        self.weighting = weighting

    def check(self, pairs: PairedDataset) -> None:
        """See ``Method.check``."""
        super().check(pairs)
        for name in ("image", "text"):
            InputScaling(scaling_of(self.input_scaling, name), 1)  # refuses an unknown kind
        if self.ridge < 0 or self.n_components < 1:
            raise ConfigError(f"CCA needs ridge >= 0 and n_components >= 1, got {self.ridge} and {self.n_components}")

    def _fit(
        self,
        train: PairedDataset,
        validation: PairedDataset | None,
        runtime: Runtime,
        score: ValidationScore,
    ) -> None:
        self.scalings_ = {
            "image": InputScaling(scaling_of(self.input_scaling, "image"), self.d_image_).fit(train.image),
            "text": InputScaling(scaling_of(self.input_scaling, "text"), self.d_text_).fit(train.text),
        }
        views = {"image": self._scale(train.image, "image"), "text": self._scale(train.text, "text")}
        self.means_ = {name: X.mean(dim=0) for name, X in views.items()}
        image, text = (X - self.means_[name] for name, X in views.items())
        weights, self.correlations_ = canonical_directions(
            image, text, ridge=self.ridge, n_components=self.n_components
        )
        scale = self.correlations_**self.weighting
        self.weights_ = {name: W * scale for name, W in zip(views, weights, strict=True)}

    @torch.no_grad()
    def _scale(self, X: NDArray[Any], modality: str) -> Tensor:
        scaled: Tensor = self.scalings_[modality](torch.from_numpy(np.asarray(X, dtype=np.float64)))
        return scaled

    def _encode(self, X: NDArray[Any], modality: str) -> NDArray[Any]:
        codes: Tensor = (self._scale(X, modality) - self.means_[modality]) @ self.weights_[modality]
        return codes.numpy()

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays = {"correlations": self.correlations_}
        for name, scaling in self.scalings_.items():
            arrays |= {f"{name}.mean": self.means_[name], f"{name}.weights": self.weights_[name]}
            arrays |= {f"{name}.scaling.{key}": value for key, value in scaling.state_dict().items()}
        widths = {name: scaling.d_out for name, scaling in self.scalings_.items()}
        return {name: values.numpy() for name, values in arrays.items()}, {"scaled_widths": widths}

    def _restore(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
        self.correlations_ = tensors["correlations"]
        self.means_, self.weights_, self.scalings_ = {}, {}, {}
        for name, width in (("image", self.d_image_), ("text", self.d_text_)):
            scaling = InputScaling(scaling_of(self.input_scaling, name), width, facts["scaled_widths"][name])
            scaling.load_state_dict({key: tensors[f"{name}.scaling.{key}"] for key in scaling.state_dict()})
            self.scalings_[name] = scaling
            self.means_[name], self.weights_[name] = tensors[f"{name}.mean"], tensors[f"{name}.weights"]
