"""ACMR: adversarial cross-modal retrieval (ACM Multimedia 2017)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from masln.errors import ConfigError, unknown_name
from masln.losses import classification_loss, cross_modal_triplet_loss, triplet_hinge_loss
from masln.models.adversarial import AdversarialTower
from masln.models.declared import DeclaredMethod
from masln.models.deep import TwoTower
from masln.nn import feed_forward
from masln.training import Batch, Objective

__all__ = ["ACMR", "ACMRNetwork"]

_TRIPLETS = ("separate", "hinge")


class ACMRNetwork(AdversarialTower):
    """Two encoders that end in tanh, a classifier that both share, and a modality discriminator."""

    def __init__(self, method: ACMR, d_image: int, d_text: int, n_classes: int) -> None:
        super().__init__(adversary=method.adversary, adversarial=method.adversarial)
        self.weights = {name: getattr(method, name) for name in ("triplet", "classification")}
        self.triplets, self.margin = method.triplets, method.margin
        self.positive, self.negative = method.positive, method.negative
        layers = {"image": (d_image, method.image_hidden), "text": (d_text, method.text_hidden)}
        self.encoders = nn.ModuleDict(
            {
                name: nn.Sequential(feed_forward(width, hidden, method.code_width, activation=nn.Tanh), nn.Tanh())
                for name, (width, hidden) in layers.items()
            }
        )
        self.classifier = nn.Linear(method.code_width, n_classes) if method.classification else None
        self.oppose(method.code_width, hidden=method.discriminator_hidden)
        self.apply(_initialise)

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        """``triplet`` L_imi + ``classification`` L_imd - ``adversarial`` L_adv for the encoders; then L_adv."""
        image, text = self.encoders["image"](batch.image), self.encoders["text"](batch.text)
        losses: dict[str, Tensor] = {}
        if self.weights["triplet"]:
            losses["triplet"] = self._triplet_loss(image, text, batch.labels)
        if self.classifier is not None:
            losses["classification"] = classification_loss(self.classifier(image), self.classifier(text), batch.labels)
        total = sum((self.weights[name] * loss for name, loss in losses.items()), image.new_zeros(()))
        yield from self.compete(total, losses, image, text, progress)

    def _triplet_loss(self, image: Tensor, text: Tensor, labels: Tensor) -> Tensor:
        if self.triplets == "hinge":
            return triplet_hinge_loss(image, text, labels, positive=self.positive, margin=self.margin)
        return cross_modal_triplet_loss(image, text, labels, negative=self.negative, margin=self.margin)


def _initialise(layer: nn.Module) -> None:
    """As the authors' code does by its library's default: uniform by Glorot, no bias."""
    if isinstance(layer, nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)


@dataclass(kw_only=True, eq=False, repr=False)
class ACMR(DeclaredMethod):
    """Adversarial cross-modal retrieval.

    With codes v_i, t_i of the pairs, a classifier shared by both modalities and a modality discriminator D,

        L_imi = mean over triplets  ||v_i - t_j|| + negative * max(0, margin - ||v_i - t_k||), and with v, t exchanged
        L_imd = cross-entropy of the shared classifier on both codes
        L_adv = binary cross-entropy of D: which modality is a code of?

    where j is of the class of i and k of another. Encoders and classifier minimise ``triplet`` L_imi +
    ``classification`` L_imd - ``adversarial`` L_adv (the paper's alpha, beta, and 1) while D minimises L_adv. The
    paper's L_reg, the squared norm of the weights, is ``weight_decay``.

    The authors' script gives the encoders no gradient of L_adv and trains no classifier; here both have theirs, by the
    paper's gradient ``reversal`` or by ``alternating`` updates. The ``hinge`` triplets are that script's (see
    ``masln.losses.triplet_hinge_loss``). Layers, tanh, initial weights, batch, learning rate and beta1 are that
    script's too; its discriminator has no activation between its layers, which makes them one, so ReLU stands there
    (ours). All triplets of a batch are taken, where the paper selects (ours).

    Args:
        code_width: Width of the codes.
        image_hidden: Widths of the hidden layers of the image encoder.
        text_hidden: The same of the text encoder.
        discriminator_hidden: The same of the discriminator.
        triplet: Weight of L_imi; 0 leaves it out, and likewise below.
        classification: Weight of L_imd.
        adversarial: Weight of L_adv for the encoders.
        adversary: ``reversal``, with the schedule of Ganin et al. as in the authors' code, or ``alternating``.
        triplets: ``separate``, the paper's, or ``hinge``.
        negative: The paper's lambda, of ``separate`` triplets.
        positive: Weight of the nearer distance, of ``hinge`` triplets.
        margin: The paper's mu; of either kind.

    The other hyper-parameters are those of ``DeclaredMethod``.

    References:
        Wang, B., Yang, Y., Xu, X., Hanjalic, A., Shen, H. T.: Adversarial cross-modal retrieval. ACM MM 2017,
        pages 154-162.
    """

    summary: ClassVar[str] = "adversarial cross-modal retrieval: triplets, shared classifier, gradient reversal"
    reference: ClassVar[str] = "Wang et al., ACM MM 2017"
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {"input_scaling": ("center-l2", "l2")}
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "triplet": (1.0, 0.1, 10.0),
        "classification": (1.0, 0.1, 10.0),
        "margin": (1.0, 0.3, 3.0),
        "adversary": ("reversal", "alternating"),
    }
    LOSSES: ClassVar[tuple[str, ...]] = ("triplet", "classification", "adversarial")

    code_width: int = 40
    image_hidden: Sequence[int] = (512, 100)
    text_hidden: Sequence[int] = (40, 100)
    discriminator_hidden: Sequence[int] = (20, 10)
    triplet: float = 1.0  # ours
    classification: float = 1.0  # ours
    adversarial: float = 1.0
    adversary: str = "reversal"
    triplets: str = "separate"
    negative: float = 1.0  # ours
    positive: float = 5.0
    margin: float = 1.0  # ours
    epochs: int = 50  # ours; 200 in the authors' code, worse on validation classes
    batch_size: int = 64
    learning_rate: float = 1e-4
    weight_decay: float = 1e-2  # ours
    beta1: float = 0.5
    schedule: str = "constant"

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        if self.triplets not in _TRIPLETS:
            raise ConfigError(unknown_name("kind of triplets", self.triplets, _TRIPLETS))
        self._require_widths("code_width", "image_hidden", "text_hidden", "discriminator_hidden")
        self._require_not_negative(*self.LOSSES, "negative", "positive", "margin")
        if not (self.triplet or self.classification):
            raise ConfigError("triplet and classification are both 0: nothing to learn from")
        return ACMRNetwork(self, d_image, d_text, n_classes)
