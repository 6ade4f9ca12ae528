"""Semantic correlation matching: canonical correlation, then the class posteriors of each modality."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from masln.data import PairedDataset
from masln.models.linear import LinearMethod
from masln.nn import canonical_directions

__all__ = ["SCM"]


class SCM(LinearMethod):
    """Semantic correlation matching: the code is the vector of posteriors of the training classes.

    With the directions W_x, W_y of ridge CCA (``masln.models.CCA``) and, for each modality, a multinomial logistic
    regression on the canonical coordinates of its training features,

        minimise  -1/n sum_i log p(c_i | W_x' x_i) + penalty / 2 ||B_x||^2,    p(. | z) = softmax(B_x z + b_x),

    an image gets the code p(. | W_x' (x - m_x)) and a text p(. | W_y' (y - m_y)). An item of an unseen class is told
    by how it resembles each seen one.

    Args:
        ridge: Of CCA, relative to the mean variance of each view's features.
        penalty: Of the logistic regressions, on the weights per pair.
        n_components: Canonical directions; lowered to the rank that the data have. The code is as wide as there are
            classes.
        input_scaling: As for ``masln.nn.InputScaling``.

    References:
        Rasiwasia, N., Costa Pereira, J., Coviello, E., Doyle, G., Lanckriet, G., Levy, R., Vasconcelos, N.: A new
        approach to cross-modal multimedia retrieval. ACM Multimedia 2010. It has no ridge.
    """

    summary: ClassVar[str] = "semantic correlation matching, CCA and then class posteriors"
    reference: ClassVar[str] = "Rasiwasia et al., ACM MM 2010"
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "input_scaling": ("center-l2", "standardize"),
        "ridge": (1.0, 0.1, 10.0),
        "penalty": (0.01, 0.001, 0.1),
    }
    LEARNED: ClassVar[tuple[str, ...]] = ("intercepts",)
    LEAST: ClassVar[dict[str, float]] = {"ridge": 0, "penalty": 1e-9, "n_components": 1}
    CLASSES: ClassVar[int] = 2

    intercepts_: Tensor

    def __init__(
        self,
        *,
        ridge: float = 1.0,  # ours, as all here
        penalty: float = 0.01,
        n_components: int = 64,
        input_scaling: str = "center-l2",
    ) -> None:
        self.ridge = ridge
        self.penalty = penalty
        self.n_components = n_components
        self.input_scaling = input_scaling

    def _directions(self, image: Tensor, text: Tensor, train: PairedDataset) -> tuple[Tensor, Tensor]:
        (left, right), _ = canonical_directions(image, text, ridge=self.ridge, n_components=self.n_components)
        image_weights, image_intercept = self._classifier(image @ left, train.labels)
        text_weights, text_intercept = self._classifier(text @ right, train.labels)
        self.intercepts_ = torch.stack([image_intercept, text_intercept])
        return left @ image_weights, right @ text_weights

    def _classifier(self, coordinates: Tensor, labels: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Weights (k, n_classes) and intercepts (n_classes,)."""
        # scikit-learn weighs the sum of the losses against the penalty
        fitted = LogisticRegression(C=1 / (self.penalty * len(labels)), max_iter=10_000).fit(coordinates, labels)
        weights, intercepts = torch.from_numpy(fitted.coef_.T), torch.from_numpy(fitted.intercept_)
        if len(intercepts) == 1:  # of two classes it gives the logit of the second alone
            weights = torch.cat([torch.zeros_like(weights), weights], dim=1)
            intercepts = torch.cat([torch.zeros_like(intercepts), intercepts])
        return weights, intercepts

    def _readout(self, modality: str) -> nn.Module:
        return Posteriors(self.intercepts_[("image", "text").index(modality)])


class Posteriors(nn.Module):
    """softmax(z + b), over the classes.

    Args:
        intercepts: The vector b (n_classes,).
    """

    intercepts: Tensor

    def __init__(self, intercepts: Tensor) -> None:
        super().__init__()
        self.register_buffer("intercepts", intercepts)

    def forward(self, z: Tensor) -> Tensor:
        """Map (n, n_classes) to posteriors."""
        return torch.softmax(z + self.intercepts, dim=-1)
