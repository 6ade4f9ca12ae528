"""Network parts: input scaling, encoders, decoders, the discriminator, gradient reversal."""

from __future__ import annotations

from masln.nn.decoders import TwinDecoders
from masln.nn.discriminator import ModalityDiscriminator
from masln.nn.encoders import ENCODERS, ResidualEncoder, build_encoder, feed_forward
from masln.nn.gradient_reversal import reversal_schedule, reverse_gradient
from masln.nn.scaling import SCALINGS, InputScaling, scaling_of

__all__ = [
    "ENCODERS",
    "SCALINGS",
    "InputScaling",
    "ModalityDiscriminator",
    "ResidualEncoder",
    "TwinDecoders",
    "build_encoder",
    "feed_forward",
    "reversal_schedule",
    "reverse_gradient",
    "scaling_of",
]
