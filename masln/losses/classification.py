"""Classification loss: codes of both modalities should tell their class."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["classification_loss"]


def classification_loss(image_logits: Tensor, text_logits: Tensor, labels: Tensor) -> Tensor:
    """L_dis: softmax cross-entropy of one classifier shared by both modalities, averaged over the two (MASLN).

    Args:
        image_logits: (n, n_classes).
        text_logits: (n, n_classes).
        labels: (n,) class ids.

    Returns:
        A scalar, in float32.
    """
    return 0.5 * (
        functional.cross_entropy(image_logits.float(), labels) + functional.cross_entropy(text_logits.float(), labels)
    )
