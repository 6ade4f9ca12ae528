"""Losses: codes, logits and labels in, a scalar out; one file each."""

from __future__ import annotations

from masln.losses.absolute_reconstruction import absolute_reconstruction_loss
from masln.losses.adversarial import adversarial_loss, discriminator_accuracy
from masln.losses.canonical_correlation import canonical_correlation_loss, canonical_correlations
from masln.losses.classification import classification_loss
from masln.losses.correlation import correlation_loss
from masln.losses.cosine import candidate_labels, candidate_negatives, cosines_both_ways
from masln.losses.covariance import code_covariance, in_float64, inverse_deviations, standardised
from masln.losses.covariance_alignment import covariance_alignment_loss
from masln.losses.cross_correlation import cross_correlation_loss
from masln.losses.cross_modal_triplet import cross_modal_triplet_loss
from masln.losses.decorrelation import decorrelation_loss
from masln.losses.gaussian_distance import gaussian_distance_loss
from masln.losses.gaussian_divergence import gaussian_divergence_loss
from masln.losses.gradient_penalty import gradient_penalty_loss, random_interpolates
from masln.losses.info_nce import info_nce_loss
from masln.losses.invariance import invariance_loss
from masln.losses.label_regression import label_regression_loss
from masln.losses.matching import MATCHING_LOSSES, matching_loss
from masln.losses.maximum_mean_discrepancy import maximum_mean_discrepancy_loss
from masln.losses.mined_triplet import mined_triplet_loss
from masln.losses.negative_mining import (
    MINING_RULES,
    check_mining,
    mine_negatives,
    semi_hard_negatives,
    top_k_negatives,
)
from masln.losses.pairwise_likelihood import pairwise_likelihood_loss
from masln.losses.projection_matching import projection_matching_loss
from masln.losses.quadruplet import quadruplet_loss
from masln.losses.real_or_generated import real_or_generated_loss
from masln.losses.reconstruction import reconstruction_loss
from masln.losses.relational_angle import relational_angle_loss
from masln.losses.relational_distance import relational_distance_loss
from masln.losses.sigmoid_pairs import sigmoid_pairs_loss
from masln.losses.similarity_transfer import similarity_transfer_loss
from masln.losses.supervised_contrastive import supervised_contrastive_loss
from masln.losses.teacher_distance import teacher_distance_loss
from masln.losses.triplet_hinge import triplet_hinge_loss
from masln.losses.wasserstein import wasserstein_loss

__all__ = [
    "MATCHING_LOSSES",
    "MINING_RULES",
    "absolute_reconstruction_loss",
    "adversarial_loss",
    "candidate_labels",
    "candidate_negatives",
    "canonical_correlation_loss",
    "canonical_correlations",
    "check_mining",
    "classification_loss",
    "code_covariance",
    "correlation_loss",
    "cosines_both_ways",
    "covariance_alignment_loss",
    "cross_correlation_loss",
    "cross_modal_triplet_loss",
    "decorrelation_loss",
    "discriminator_accuracy",
    "gaussian_distance_loss",
    "gaussian_divergence_loss",
    "gradient_penalty_loss",
    "in_float64",
    "info_nce_loss",
    "invariance_loss",
    "inverse_deviations",
    "label_regression_loss",
    "matching_loss",
    "maximum_mean_discrepancy_loss",
    "mine_negatives",
    "mined_triplet_loss",
    "pairwise_likelihood_loss",
    "projection_matching_loss",
    "quadruplet_loss",
    "random_interpolates",
    "real_or_generated_loss",
    "reconstruction_loss",
    "relational_angle_loss",
    "relational_distance_loss",
    "semi_hard_negatives",
    "sigmoid_pairs_loss",
    "similarity_transfer_loss",
    "standardised",
    "supervised_contrastive_loss",
    "teacher_distance_loss",
    "top_k_negatives",
    "triplet_hinge_loss",
    "wasserstein_loss",
]
