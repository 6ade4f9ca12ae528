"""InfoNCE: of all candidates, a pair's own should be the most similar, by a softmax (CLIP's loss)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from masln.losses import check_mining, info_nce_loss
from masln.models.contrastive import TemperedMethod, TemperedNetwork
from masln.models.deep import TwoTower
from masln.nn import Remembered

__all__ = ["InfoNCE", "InfoNCENetwork"]


class InfoNCENetwork(TemperedNetwork):
    """Two encoders with a temperature."""

    figure = "info_nce"

    def __init__(self, method: InfoNCE, d_image: int, d_text: int) -> None:
        super().__init__(method, d_image, d_text)
        self.negatives, self.top_k, self.mask_same_class = method.negatives, method.top_k, method.mask_same_class

    def contrast(self, image: Tensor, text: Tensor, labels: Tensor, older: Remembered | None) -> Tensor:
        """L_nce."""
        return info_nce_loss(
            image,
            text,
            labels,
            scale=self.logit_scale(),
            mask_same_class=self.mask_same_class,
            negatives=self.negatives,
            top_k=self.top_k,
            memory=older,
        )


@dataclass(kw_only=True, eq=False, repr=False)
class InfoNCE(TemperedMethod):
    """Contrastive learning of the two modalities of a pair, by the softmax over candidates.

    With codes u_i, v_i of length one, candidates k, and a temperature t,

        minimise  mean_i  -log softmax_k(u_i'v_k / t)_i  -log softmax_k(v_i'u_k / t)_i,

    halved. Candidates are the pairs of the batch, of the memory, or the hardest among them.

    Args:
        mask_same_class: Take pairs of the same class out of the negatives, which they are falsely where an item is
            relevant by its class. The paper has no classes.
        negatives: ``all``, ``hardest`` or ``top-k``: which candidates beside the own pair.
        top_k: How many, for ``top-k``.

    The other hyper-parameters are those of ``TemperedMethod``.

    References:
        van den Oord, A., Li, Y., Vinyals, O.: Representation learning with contrastive predictive coding. 2018.
        Radford, A., et al.: Learning transferable visual models from natural language supervision. ICML 2021.
    """

    summary: ClassVar[str] = "InfoNCE, CLIP's loss: a softmax over candidates should choose a pair's own"
    reference: ClassVar[str] = "van den Oord et al., 2018; Radford et al., ICML 2021"
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "temperature": (1.0, 0.1, 0.3),
        "learn_temperature": (False, True),
        "mask_same_class": (False, True),
        "code_width": (64, 256),
    }

    # ours, by validation classes of three feature sets, mAP .42: a sharp softmax over pairs of the same class tells
    # apart what should be alike (.33 at a temperature of .1; with the class masked .38, and .40 at 1).
    temperature: float = 1.0
    mask_same_class: bool = False
    negatives: str = "all"
    top_k: int = 10  # ours

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        check_mining(self.negatives, self.top_k, rules=("all", "hardest", "top-k"))
        return InfoNCENetwork(self, d_image, d_text)
