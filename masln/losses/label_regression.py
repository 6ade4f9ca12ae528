"""Label regression loss: a linear classifier of both codes should give the one-hot label."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["label_regression_loss"]


def label_regression_loss(image_scores: Tensor, text_scores: Tensor, labels: Tensor) -> Tensor:
    """J_1 = mean_i ||P u_i - y_i|| + mean_i ||P v_i - y_i||, y one-hot (DSCMR, equation of the label space).

    The paper writes one norm of the whole matrix over n; this is the mean of the rows' norms, as in the authors' code.

    Args:
        image_scores: (n, n_classes) of the classifier P on image codes u.
        text_scores: (n, n_classes) of the same on text codes v.
        labels: (n,) class ids.

    Returns:
        A scalar, in float32.
    """
    targets = functional.one_hot(labels, image_scores.shape[-1]).float()
    residuals = torch.stack([image_scores.float() - targets, text_scores.float() - targets])
    # Unlike the square root of a sum, vector_norm has gradient 0, not NaN, where a residual is exactly 0.
    norms: Tensor = torch.linalg.vector_norm(residuals, dim=-1)
    return norms.mean(dim=-1).sum()
