"""Cluster-CCA: canonical correlation over all image-text pairs of a class, not only the given ones."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from masln.data import PairedDataset
from masln.models.linear import LinearMethod
from masln.nn import canonical_directions

__all__ = ["ClusterCCA"]


class ClusterCCA(LinearMethod):
    """CCA of the M = sum_c n_c^2 pairs that join each image of a class with each text of it, with ridge.

    With features centred over these pairs, the covariances are

        S_xy = 1/M sum_c sum_{i,j in c} x_i y_j' = 1/M sum_c n_c^2 m_c^x m_c^y'        (m_c the class means)
        S_xx = 1/M sum_c n_c sum_{i in c} x_i x_i',      S_yy likewise,

    so that the pairs are never written out; W_x, W_y solve CCA with them (``masln.models.CCA``, which has the
    objective, the ridge and the signs). S_xy has rank C - 1 for C classes, and so many directions there are.

    Args:
        ridge: Of each view, relative to the mean variance of its features.
        n_components: Code width; lowered to the number of classes less one.
        input_scaling: As for ``masln.nn.InputScaling``.

    References:
        Rasiwasia, N., Mahajan, D., Mahadevan, V., Aggarwal, G.: Cluster canonical correlation analysis. AISTATS 2014
        (without ridge).
    """

    summary: ClassVar[str] = "cluster-CCA, canonical correlation over all pairs within a class"
    reference: ClassVar[str] = "Rasiwasia et al., AISTATS 2014"
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "input_scaling": ("center-l2", "l2", "standardize", "center-l2/standardize"),
        "ridge": (1.0, 0.01, 0.1, 10.0, 100.0),
    }
    LEARNED: ClassVar[tuple[str, ...]] = ("correlations",)
    LEAST: ClassVar[dict[str, float]] = {"ridge": 0, "n_components": 1}
    CLASSES: ClassVar[int] = 2

    correlations_: Tensor

    def __init__(
        self,
        *,
        ridge: float = 1.0,  # ours, as all here, as for CCA
        n_components: int = 64,
        input_scaling: str = "center-l2",
    ) -> None:
        self.ridge = ridge
        self.n_components = n_components
        self.input_scaling = input_scaling

    def _mean(self, features: Tensor, train: PairedDataset) -> Tensor:
        return _shares(train) @ features

    def _directions(self, image: Tensor, text: Tensor, train: PairedDataset) -> tuple[Tensor, Tensor]:
        # Rows weighed so that X'X / n is S_xx; a row then meets the mean of its class in X'PY / n.
        weights = (_shares(train) * len(train)).sqrt()[:, None]
        directions, self.correlations_ = canonical_directions(
            image * weights,
            text * weights,
            ridge=self.ridge,
            n_components=min(self.n_components, len(np.unique(train.labels)) - 1),
            groups=torch.from_numpy(train.labels),
        )
        return directions


def _shares(train: PairedDataset) -> Tensor:
    """Share of the M pairs that each row takes part in, n_c / M."""
    labels = torch.from_numpy(train.labels)
    counts = torch.bincount(labels).double()
    return counts[labels] / counts.square().sum()
