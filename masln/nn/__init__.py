"""Network parts: input scaling, encoders, decoders, attention, discriminators, canonical directions."""

from __future__ import annotations

from masln.nn.attention import CrossAttention, KeysValues, SelfAttention
from masln.nn.attention_fusion import AttentionFusion
from masln.nn.attentive_encoder import AttentiveEncoder
from masln.nn.canonical import CanonicalEncoder, canonical_coefficients, canonical_directions
from masln.nn.code_memory import CodeMemory, Remembered
from masln.nn.cross_matching import CrossMatching, MatchedItems
from masln.nn.decoders import TwinDecoders
from masln.nn.discriminator import ModalityDiscriminator
from masln.nn.encoders import ENCODERS, ResidualEncoder, build_encoder, feed_forward
from masln.nn.gaussian import DiagonalGaussian, GaussianEncoder
from masln.nn.gradient_reversal import reversal_schedule, reverse_gradient
from masln.nn.kernels import KERNELS, KernelValues
from masln.nn.layerwise_discriminator import LayerwiseDiscriminator
from masln.nn.linear_algebra import fix_signs, gram_space, group_means, relative_ridge, ridge_factor, row_space
from masln.nn.logit_scale import LogitScale
from masln.nn.pooling import POOLINGS, AttentionPooling, MaxPooling, MeanPooling, as_sequence, build_pooling
from masln.nn.projected import ProjectedEncoder
from masln.nn.remembering import remembered, remembering
from masln.nn.scaled_encoder import ProjectingEncoder, ScaledEncoder
from masln.nn.scaling import SCALINGS, InputScaling, scaling_of
from masln.nn.sequence_encoders import (
    CONTEXTS,
    BiLSTM,
    SequenceEncoder,
    TransformerContext,
    build_context,
    build_sequence_encoder,
    sinusoidal_positions,
)
from masln.nn.sequence_fusion import FUSIONS, SequenceFusion
from masln.nn.unit_length import UnitLength

__all__ = [
    "CONTEXTS",
    "ENCODERS",
    "FUSIONS",
    "KERNELS",
    "POOLINGS",
    "SCALINGS",
    "AttentionFusion",
    "AttentionPooling",
    "AttentiveEncoder",
    "BiLSTM",
    "CanonicalEncoder",
    "CodeMemory",
    "CrossAttention",
    "CrossMatching",
    "DiagonalGaussian",
    "GaussianEncoder",
    "InputScaling",
    "KernelValues",
    "KeysValues",
    "LayerwiseDiscriminator",
    "LogitScale",
    "MatchedItems",
    "MaxPooling",
    "MeanPooling",
    "ModalityDiscriminator",
    "ProjectedEncoder",
    "ProjectingEncoder",
    "Remembered",
    "ResidualEncoder",
    "ScaledEncoder",
    "SelfAttention",
    "SequenceEncoder",
    "SequenceFusion",
    "TransformerContext",
    "TwinDecoders",
    "UnitLength",
    "as_sequence",
    "build_context",
    "build_encoder",
    "build_pooling",
    "build_sequence_encoder",
    "canonical_coefficients",
    "canonical_directions",
    "feed_forward",
    "fix_signs",
    "gram_space",
    "group_means",
    "relative_ridge",
    "remembered",
    "remembering",
    "reversal_schedule",
    "reverse_gradient",
    "ridge_factor",
    "row_space",
    "scaling_of",
    "sinusoidal_positions",
]
