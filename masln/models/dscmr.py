"""DSCMR: deep supervised cross-modal retrieval (CVPR 2019)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from masln.losses import invariance_loss, label_regression_loss, pairwise_likelihood_loss
from masln.models.declared import DeclaredMethod
from masln.models.deep import TwoTower
from masln.training import Batch, Objective

__all__ = ["DSCMR", "DSCMRNetwork"]


class DSCMRNetwork(TwoTower):
    """A hidden layer a modality, then a code layer and a linear classifier that both share."""

    def __init__(self, method: DSCMR, d_image: int, d_text: int, n_classes: int) -> None:
        super().__init__()
        self.weights = {"regression": 1.0, "discrimination": method.discrimination, "invariance": method.invariance}
        shared = nn.Linear(method.hidden_width, method.code_width)
        widths = {"image": d_image, "text": d_text}
        self.encoders = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(width, method.hidden_width), nn.ReLU(), shared)
                for name, width in widths.items()
            }
        )
        self.classifier = nn.Linear(method.code_width, n_classes)

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        """J_1 + ``discrimination`` J_2 + ``invariance`` J_3."""
        image, text = self.encoders["image"](batch.image), self.encoders["text"](batch.text)
        losses = {
            "regression": label_regression_loss(self.classifier(image), self.classifier(text), batch.labels),
            "discrimination": pairwise_likelihood_loss(image, text, batch.labels),
            "invariance": invariance_loss(image, text),
        }
        total = sum((self.weights[name] * loss for name, loss in losses.items()), image.new_zeros(()))
        yield Objective("network", total, losses)


@dataclass(kw_only=True, eq=False, repr=False)
class DSCMR(DeclaredMethod):
    """Deep supervised cross-modal retrieval.

    With codes u, v of the n pairs of a batch, one-hot labels y, a linear classifier P shared by both modalities,
    S_ij = 1 where pairs i and j share a class, and G half the cosine of two codes,

        J_1 = mean_i ||P u_i - y_i|| + ||P v_i - y_i||
        J_2 = sum over (u, v), (u, u), (v, v) of mean_ij log(1 + exp G_ij) - S_ij G_ij
        J_3 = mean_i ||u_i - v_i||

    and the network minimises J = J_1 + ``discrimination`` J_2 + ``invariance`` J_3. Each encoder has a hidden layer of
    its own (ReLU) and a code layer, linear, whose weights both modalities share.

    Sizes, weights, batch and Adam's settings are those of the paper and of the authors' code. P is learned by gradient
    with the rest and has a bias, as in that code. It runs 500 epochs and keeps the one best on the *test* set; here
    the last epoch is kept, or one chosen on validation classes (``patience``).

    Args:
        hidden_width: Width of each modality's own layer.
        code_width: Width of the shared code layer.
        discrimination: Weight of J_2 (the paper's lambda); 0 leaves it out, and likewise below.
        invariance: Weight of J_3 (the paper's eta).

    The other hyper-parameters are those of ``DeclaredMethod``.

    References:
        Zhen, L., Hu, P., Wang, X., Peng, D.: Deep supervised cross-modal retrieval. CVPR 2019, pages 10394-10403.
    """

    summary: ClassVar[str] = "deep supervised cross-modal retrieval, a code layer shared by both modalities"
    reference: ClassVar[str] = "Zhen et al., CVPR 2019"
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {"input_scaling": ("center-l2", "l2")}
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "epochs": (30, 10, 100),
        "learning_rate": (1e-4, 3e-4),
        "discrimination": (1e-3, 1e-1),
        "invariance": (1e-1, 1e-3),
    }

    hidden_width: int = 2048
    code_width: int = 1024
    discrimination: float = 1e-3
    invariance: float = 1e-1
    epochs: int = 30  # ours; 100 were worse on validation classes, and no better on seen ones
    batch_size: int = 100
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    beta1: float = 0.5
    schedule: str = "constant"

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        self._require_widths("hidden_width", "code_width")
        self._require_not_negative("discrimination", "invariance")
        return DSCMRNetwork(self, d_image, d_text, n_classes)
