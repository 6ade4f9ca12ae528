"""Barlow twins across modalities: the cross-correlation of the two codes should be the identity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from masln.losses import cross_correlation_loss
from masln.models.deep import TwoTower
from masln.models.two_encoders import ProjectedEncoders, ProjectedMethod
from masln.training import Batch, Objective

__all__ = ["BarlowTwins", "BarlowTwinsNetwork"]


class BarlowTwinsNetwork(ProjectedEncoders):
    """Two encoders whose codes are standardised."""

    def __init__(self, method: BarlowTwins, d_image: int, d_text: int) -> None:
        super().__init__(method, d_image, d_text)
        self.redundancy = method.redundancy

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        """L_bt."""
        loss = cross_correlation_loss(*self.learned_codes(batch), redundancy=self.redundancy)
        yield Objective("network", loss, {"cross_correlation": loss})


@dataclass(kw_only=True, eq=False, repr=False)
class BarlowTwins(ProjectedMethod):
    """Barlow twins of the two modalities of a pair, where the paper has two distortions of a picture.

    With codes z^I, z^T standardised over the batch and C = (1/n) sum_i z^I_i (z^T_i)',

        minimise  sum_i (1 - C_ii)^2 + lambda sum_{i != j} C_ij^2.

    The encoders differ by modality, and their own output is the code: there is no projector to discard (ours). Codes
    are standardised by the training pairs.

    Args:
        redundancy: The weight lambda.

    The other hyper-parameters are those of ``TwoEncoderMethod``.

    References:
        Zbontar, J., Jing, L., Misra, I., LeCun, Y., Deny, S.: Barlow twins: self-supervised learning via redundancy
        reduction. ICML 2021 (lambda = .005).
    """

    summary: ClassVar[str] = "Barlow twins: the cross-correlation of the two codes should be the identity"
    reference: ClassVar[str] = "Zbontar et al., ICML 2021"
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "redundancy": (5e-3, 1e-3, 2e-2),
        "learning_rate": (1e-3, 3e-4, 3e-3),
        "input_dropout": (0.0, 0.3),
        "code_width": (64, 128),
    }
    rounding_grows: ClassVar[bool] = True

    redundancy: float = 5e-3

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        self._require_not_negative("redundancy")
        return BarlowTwinsNetwork(self, d_image, d_text)
