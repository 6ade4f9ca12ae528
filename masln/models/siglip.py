"""SigLIP: each candidate apart should be told to be a pair's own or not, by a sigmoid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from masln.losses import check_mining, sigmoid_pairs_loss
from masln.models.contrastive import TemperedMethod, TemperedNetwork
from masln.models.deep import TwoTower
from masln.nn import Remembered

__all__ = ["SigLIP", "SigLIPNetwork"]


class SigLIPNetwork(TemperedNetwork):
    """Two encoders with a temperature and a bias."""

    figure = "sigmoid"

    def __init__(self, method: SigLIP, d_image: int, d_text: int) -> None:
        super().__init__(method, d_image, d_text)
        self.negatives, self.top_k, self.mask_same_class = method.negatives, method.top_k, method.mask_same_class
        self.logit_bias = nn.Parameter(torch.tensor(float(method.bias)))

    def contrast(self, image: Tensor, text: Tensor, labels: Tensor, older: Remembered | None) -> Tensor:
        """The sigmoid loss."""
        return sigmoid_pairs_loss(
            image,
            text,
            labels,
            scale=self.logit_scale(),
            bias=self.logit_bias,
            mask_same_class=self.mask_same_class,
            negatives=self.negatives,
            top_k=self.top_k,
            memory=older,
        )


@dataclass(kw_only=True, eq=False, repr=False)
class SigLIP(TemperedMethod):
    """Contrastive learning of the two modalities of a pair, each candidate judged apart.

    With codes u_i, v_i of length one, a temperature t and a learned bias b,

        minimise  mean_i  log(1 + exp(-u_i'v_i / t - b)) + sum_{k != i} log(1 + exp(u_i'v_k / t + b)).

    Args:
        bias: The b to begin with; low, as nearly all candidates are negatives.
        mask_same_class: Take pairs of the same class out of the negatives, which they are falsely where an item is
            relevant by its class. The paper has no classes.
        negatives: ``all``, ``hardest`` or ``top-k``: which candidates beside the own pair.
        top_k: How many, for ``top-k``.

    The other hyper-parameters are those of ``TemperedMethod``.

    References:
        Zhai, X., Mustafa, B., Kolesnikov, A., Beyer, L.: Sigmoid loss for language image pre-training. ICCV 2023
        (t = .1, learned).
    """

    summary: ClassVar[str] = "SigLIP: a sigmoid judges for each candidate apart whether it is a pair's own"
    reference: ClassVar[str] = "Zhai et al., ICCV 2023"
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "bias": (-2.71, 0.0, -5.0),
        "mask_same_class": (False, True),
        "code_width": (256, 64),
        "encoder": ("mlp", "linear"),
    }

    code_width: int = 256  # ours, by validation classes of three feature sets: mAP .436, and .423 at 64
    learn_temperature: bool = True
    bias: float = -2.71  # of the authors' example with batches of 512; 0 and -5 were worse by .03
    mask_same_class: bool = False
    negatives: str = "all"
    top_k: int = 10  # ours

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        check_mining(self.negatives, self.top_k, rules=("all", "hardest", "top-k"))
        return SigLIPNetwork(self, d_image, d_text)
