"""Adversarial loss: the binary cross-entropy of the modality discriminator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["adversarial_loss", "discriminator_accuracy"]


def adversarial_loss(image_logits: Tensor, text_logits: Tensor) -> Tensor:
    """L_adv = -mean log sigmoid(D(image)) - mean log(1 - sigmoid(D(text))), halved (MASLN, adversarial learning).

    It is ln 2 when the discriminator cannot tell the modalities apart.

    Args:
        image_logits: (n,) of image codes.
        text_logits: (n,) of text codes.

    Returns:
        A scalar, in float32.
    """
    return 0.5 * (functional.softplus(-image_logits.float()).mean() + functional.softplus(text_logits.float()).mean())


@torch.no_grad()
def discriminator_accuracy(image_logits: Tensor, text_logits: Tensor) -> Tensor:
    """Share of codes whose modality is told right; .5 at chance. A logit of exactly 0 counts half."""
    right = (image_logits > 0).float() + 0.5 * (image_logits == 0)
    return 0.5 * (right.mean() + ((text_logits < 0).float() + 0.5 * (text_logits == 0)).mean())
