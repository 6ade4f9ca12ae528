"""The methods, under one contract: register once, appear everywhere."""

from __future__ import annotations

from masln.models.acmr import ACMR
from masln.models.adversarial import ADVERSARIES, AdversarialTower
from masln.models.attention_matching import AttentionMatching
from masln.models.barlow_twins import BarlowTwins
from masln.models.base import Method, ValidationScore, load_method, make_method, method_resolver
from masln.models.cada_vae import CADAVAE
from masln.models.cca import CCA
from masln.models.chance import Chance
from masln.models.class_encoder import ClassEncoder
from masln.models.cluster_cca import ClusterCCA
from masln.models.contrastive import ContrastiveMethod, TemperedMethod
from masln.models.corr_ae import CorrAE
from masln.models.dadn import DADN
from masln.models.dcca import DCCA
from masln.models.dccae import DCCAE
from masln.models.declared import DeclaredMethod
from masln.models.deep import DeepMethod, TwoTower
from masln.models.deep_sm import DeepSM
from masln.models.distillation import Distillation
from masln.models.dscmr import DSCMR
from masln.models.eszsl import ESZSL
from masln.models.feature_gan import FeatureGAN
from masln.models.fusion_embedding import FusionEmbedding
from masln.models.gmlda import GMLDA
from masln.models.info_nce import InfoNCE
from masln.models.jfse import JFSE
from masln.models.joint import JointScorer, JointTower
from masln.models.kcca import KCCA, KERNELS
from masln.models.linear import LinearMethod
from masln.models.masln import MASLN
from masln.models.mdvae import MDVAE
from masln.models.onnx_encoder import OPSET, OnnxEncoder, onnx_graph, require_onnx
from masln.models.pls import PLS
from masln.models.sae import SAE
from masln.models.scm import SCM
from masln.models.seeds import SeedFits, fit_seeds, fit_together, why_seeds_run_apart
from masln.models.siglip import SigLIP
from masln.models.soft_cca import SoftCCA
from masln.models.supcon import SupCon
from masln.models.triplet import Triplet
from masln.models.two_encoders import ProjectedEncoders, ProjectedMethod, TwoEncoderMethod, TwoEncoders

for _method in (
    *(MASLN, CCA, KCCA, PLS, ClusterCCA, SCM, GMLDA, ESZSL, SAE),
    *(DCCA, DCCAE, CorrAE, SoftCCA, BarlowTwins),
    *(DeepSM, DSCMR, ACMR, FeatureGAN),
    *(DADN, JFSE, CADAVAE, MDVAE),
    *(InfoNCE, SigLIP, SupCon, Triplet, FusionEmbedding, Distillation, AttentionMatching, Chance),
):
    method_resolver.register(_method)

__all__ = [
    "ACMR",
    "ADVERSARIES",
    "CADAVAE",
    "CCA",
    "DADN",
    "DCCA",
    "DCCAE",
    "DSCMR",
    "ESZSL",
    "GMLDA",
    "JFSE",
    "KCCA",
    "KERNELS",
    "MASLN",
    "MDVAE",
    "OPSET",
    "PLS",
    "SAE",
    "SCM",
    "AdversarialTower",
    "AttentionMatching",
    "BarlowTwins",
    "Chance",
    "ClassEncoder",
    "ClusterCCA",
    "ContrastiveMethod",
    "CorrAE",
    "DeclaredMethod",
    "DeepMethod",
    "DeepSM",
    "Distillation",
    "FeatureGAN",
    "FusionEmbedding",
    "InfoNCE",
    "JointScorer",
    "JointTower",
    "LinearMethod",
    "Method",
    "OnnxEncoder",
    "ProjectedEncoders",
    "ProjectedMethod",
    "SeedFits",
    "SigLIP",
    "SoftCCA",
    "SupCon",
    "TemperedMethod",
    "Triplet",
    "TwoEncoderMethod",
    "TwoEncoders",
    "TwoTower",
    "ValidationScore",
    "fit_seeds",
    "fit_together",
    "load_method",
    "make_method",
    "method_resolver",
    "onnx_graph",
    "require_onnx",
    "why_seeds_run_apart",
]
