"""Partial least squares: the directions of largest covariance between the modalities."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from masln.data import PairedDataset
from masln.models.linear import LinearMethod
from masln.nn import fix_signs, remembered

__all__ = ["PLS"]


class PLS(LinearMethod):
    """Two-view partial least squares by one singular value decomposition (PLS-SB), in float64.

    With centred views X (n, p) and Y (n, q) and S_xy = X'Y / n, it finds W_x, W_y with

        maximise  tr(W_x' S_xy W_y)   subject to   W_x' W_x = I,  W_y' W_y = I,

    the leading singular vectors of S_xy: CCA without the whitening. This is the PLS that generalised multiview
    analysis writes as an eigenproblem; the variants that deflate the views after each direction share its first
    direction. Signs are fixed by the largest entry of each image direction.

    Args:
        n_components: Code width; lowered to the rank that the covariance has.
        input_scaling: As for ``masln.nn.InputScaling``.

    References:
        Sampson, P., Streissguth, A., Barr, H., Bookstein, F.: Neurobehavioral effects of prenatal alcohol: part II.
        Partial least squares analysis. Neurotoxicology and Teratology 11, 1989. Rosipal, R., Krämer, N.: Overview and
        recent advances in partial least squares. SLSFS 2005 (there PLS-SB).
    """

    summary: ClassVar[str] = "partial least squares, the directions of largest covariance"
    reference: ClassVar[str] = "Sampson et al., Neurotoxicol. Teratol. 1989; Rosipal and Krämer, SLSFS 2005"
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "input_scaling": ("center-l2", "l2", "standardize", "center-l2/standardize"),
        "n_components": (64, 8, 16, 32, 128),
    }
    LEARNED: ClassVar[tuple[str, ...]] = ("covariances",)
    LEAST: ClassVar[dict[str, float]] = {"n_components": 1}

    covariances_: Tensor

    def __init__(
        self,
        *,
        n_components: int = 64,  # ours, as for CCA
        input_scaling: str = "center-l2",
    ) -> None:
        self.n_components = n_components
        self.input_scaling = input_scaling

    def _directions(self, image: Tensor, text: Tensor, train: PairedDataset) -> tuple[Tensor, Tensor]:
        U, covariances, Vt = _singular_values(image, text)
        noise = max(image.shape[1], text.shape[1]) * torch.finfo(covariances.dtype).eps * covariances[0]
        k = max(1, min(self.n_components, int((covariances > noise).sum())))
        self.covariances_ = covariances[:k]
        return fix_signs(U[:, :k], Vt[:k].T)


@remembered(last=1)
def _singular_values(X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    U, values, Vt = torch.linalg.svd(X.T @ Y / len(X), full_matrices=False)
    return U, values, Vt
