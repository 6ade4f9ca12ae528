"""SupCon: supervised contrastive learning across modalities, every item of the class a positive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from masln.losses import supervised_contrastive_loss
from masln.models.contrastive import TemperedMethod, TemperedNetwork
from masln.models.deep import TwoTower
from masln.nn import Remembered

__all__ = ["SupCon", "SupConNetwork"]


class SupConNetwork(TemperedNetwork):
    """Two encoders with a temperature."""

    figure = "supervised_contrastive"

    def contrast(self, image: Tensor, text: Tensor, labels: Tensor, older: Remembered | None) -> Tensor:
        """L_out."""
        return supervised_contrastive_loss(image, text, labels, scale=self.logit_scale(), memory=older)


@dataclass(kw_only=True, eq=False, repr=False)
class SupCon(TemperedMethod):
    """Supervised contrastive learning, between modalities where the paper has views of pictures.

    With codes u_i, v_i of length one, a temperature t, and the candidates P(i) of the class of pair i,

        minimise  mean_i  1/|P(i)| sum_{p in P(i)}  -log softmax_k(u_i'v_k / t)_p  -log softmax_k(v_i'u_k / t)_p,

    halved: the paper's L_out, the sum over positives outside of the logarithm. Candidates are the codes of the other
    modality alone (ours).

    The hyper-parameters are those of ``TemperedMethod``.

    References:
        Khosla, P., Teterwak, P., Wang, C., Sarna, A., Tian, Y., Isola, P., Maschinot, A., Liu, C., Krishnan, D.:
        Supervised contrastive learning. NeurIPS 2020 (t = .1).
    """

    summary: ClassVar[str] = "supervised contrastive: a softmax over candidates should choose the pair's class"
    reference: ClassVar[str] = "Khosla et al., NeurIPS 2020"
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "temperature": (0.1, 0.3, 1.0),
        "code_width": (64, 256),
        "memory": (0, 512),
    }

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        return SupConNetwork(self, d_image, d_text)
