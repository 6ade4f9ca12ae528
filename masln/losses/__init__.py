"""Losses: codes, logits and labels in, a scalar out; one file each."""

from __future__ import annotations

from masln.losses.adversarial import adversarial_loss, discriminator_accuracy
from masln.losses.classification import classification_loss
from masln.losses.correlation import correlation_loss
from masln.losses.reconstruction import reconstruction_loss

__all__ = [
    "adversarial_loss",
    "classification_loss",
    "correlation_loss",
    "discriminator_accuracy",
    "reconstruction_loss",
]
