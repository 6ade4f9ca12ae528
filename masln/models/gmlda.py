"""Generalised multiview linear discriminant analysis: LDA of both modalities, tied by their class means."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from masln.data import PairedDataset
from masln.models.linear import LinearMethod
from masln.nn import fix_signs, group_means, relative_ridge, ridge_factor, row_space

__all__ = ["GMLDA"]


class GMLDA(LinearMethod):
    """Generalised multiview analysis with LDA in each view and class means as what aligns them, in float64.

    For a view (x: images, y: texts), A = sum_c n_c/n m_c m_c' is the scatter between classes, B that within them plus
    the ridge, and Z has the columns sqrt(n_c/n) m_c, so that A = ZZ'. The directions v = [w_x; w_y] are the leading
    generalised eigenvectors with positive eigenvalue of

        [ A_x           alpha Z_x Z_y' ]         [ B_x          ]
        [ alpha Z_y Z_x'     mu A_y    ] v = rho [    gamma B_y ] v,     gamma = tr(B_x) / tr(B_y),  mu = 1:

    for alpha = 0 the LDA of each view alone; the larger alpha, the more the class means of both views must meet.
    Only the class means enter on the left, so the problem is solved in as many dimensions as there are classes.

    Args:
        coupling: The weight alpha.
        ridge: Added to the scatter within classes, relative to the mean variance of the view's features.
        n_components: Code width; lowered to the number of positive eigenvalues: for C classes C - 1 where ``coupling``
            is at least 1, up to twice as many below.
        input_scaling: As for ``masln.nn.InputScaling``.

    References:
        Sharma, A., Kumar, A., Daumé, H., Jacobs, D. W.: Generalized multiview analysis: a discriminative latent space.
        CVPR 2012, equation 7. Its authors' code has alpha = 10, mu = 1, gamma as above, and 1e-6 as
        ridge. Ours are views of total variance 1, so that these mean the same whatever the units, and class means
        weighed by class size in Z as they are in A.
    """

    summary: ClassVar[str] = "generalised multiview LDA, class means of both modalities tied"
    reference: ClassVar[str] = "Sharma et al., CVPR 2012"
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "input_scaling": ("center-l2", "standardize"),
        "ridge": (1.0, 0.01, 0.1, 10.0, 100.0),
        "coupling": (10.0, 1.0),
    }
    LEAST: ClassVar[dict[str, float]] = {"coupling": 0, "ridge": 0, "n_components": 1}
    CLASSES: ClassVar[int] = 2

    def __init__(
        self,
        *,
        coupling: float = 10.0,
        ridge: float = 1.0,  # ours, as for CCA
        n_components: int = 64,  # ours, as for CCA
        input_scaling: str = "center-l2",  # ours, as for CCA
    ) -> None:
        self.coupling = coupling
        self.ridge = ridge
        self.n_components = n_components
        self.input_scaling = input_scaling

    def _directions(self, image: Tensor, text: Tensor, train: PairedDataset) -> tuple[Tensor, Tensor]:
        labels = torch.from_numpy(train.labels)
        (to_image, s_x, V_x, trace_x), (to_text, s_y, V_y, trace_y) = (self._whiten(X, labels) for X in (image, text))
        root_gamma = (trace_x / trace_y) ** 0.5
        s_y, to_text = s_y / root_gamma, to_text / root_gamma
        tied = self.coupling * s_x[:, None] * (V_x.T @ V_y) * s_y
        rows = (torch.cat([s_x.square().diag(), tied], dim=1), torch.cat([tied.T, s_y.square().diag()], dim=1))
        values, vectors = torch.linalg.eigh(torch.cat(rows))
        values, vectors = values.flip(0), vectors.flip(1)
        k = max(1, min(self.n_components, int((values > 1e-10 * values[0]).sum())))
        return fix_signs(to_image @ vectors[: len(s_x), :k], to_text @ vectors[len(s_x) :, :k])

    def _whiten(self, X: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, float]:
        """L^-1 Z = U s V' for B = LL'; gives L^-T U in the features' own space, s, V and tr(B)."""
        width = X.shape[1]
        scale = float(X.square().sum() / len(X)) ** 0.5 or 1.0
        X = X / scale
        X, basis = row_space(X) if width > len(X) else (X, None)
        means = group_means(X, labels)
        inner = X - means[labels]
        scatter = inner.T @ inner / len(X)
        ridge = relative_ridge(X, width, self.ridge)
        factor = ridge_factor(scatter, ridge)
        weighed = means * (torch.bincount(labels) / len(labels)).sqrt()[:, None]
        U, s, Vt = torch.linalg.svd(torch.linalg.solve_triangular(factor, weighed.T, upper=False), full_matrices=False)
        to_features = torch.linalg.solve_triangular(factor.T, U, upper=True) / scale
        trace = float(scatter.trace()) + ridge * width or 1.0
        return (to_features if basis is None else basis @ to_features), s, Vt.T, trace
