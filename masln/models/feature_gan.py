"""FeatureGAN: generators map each modality's features into the other's space; attention fuses what is aligned there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from masln.errors import ConfigError
from masln.losses import adversarial_loss, classification_loss, correlation_loss, discriminator_accuracy
from masln.models.declared import DeclaredMethod
from masln.models.deep import TwoTower
from masln.nn import AttentionFusion, ModalityDiscriminator, feed_forward
from masln.training import Batch, Objective

__all__ = ["FeatureGAN", "FeatureGANNetwork"]

_OTHER = {"image": "text", "text": "image"}


class FusedEncoder(nn.Module):
    """A modality's own features and what its generator makes of them for the other space, fused to one code."""

    def __init__(self, modality: str, generator: nn.Module, fusion: AttentionFusion) -> None:
        super().__init__()
        self.modality, self.generator, self.fusion = modality, generator, fusion

    def forward(self, x: Tensor) -> Tensor:
        """Encode (..., d_modality) to (..., d_code)."""
        return self.fuse(x, self.generator(x))

    def fuse(self, own: Tensor, mapped: Tensor) -> Tensor:
        """The code of features whose mapping into the other space is known already."""
        return self.fusion({self.modality: own, _OTHER[self.modality]: mapped})  # type: ignore[no-any-return]


class FeatureGANNetwork(TwoTower):
    """A generator out of, and a discriminator in, the space of each modality; a fusion and a classifier both share."""

    def __init__(self, method: FeatureGAN, d_image: int, d_text: int, n_classes: int) -> None:
        super().__init__()
        self.weights = {name: getattr(method, name) for name in FeatureGAN.LOSSES}
        widths = {"image": d_image, "text": d_text}
        fusion = AttentionFusion(widths, method.code_width)
        self.encoders = nn.ModuleDict(
            {
                name: FusedEncoder(name, feed_forward(width, method.hidden, widths[_OTHER[name]]), fusion)
                for name, width in widths.items()
            }
        )
        self.classifier = nn.Linear(method.code_width, n_classes) if method.classification else None
        self.discriminators = nn.ModuleDict()
        if method.adversarial:
            self.discriminators.update(
                {
                    name: ModalityDiscriminator(width, hidden=method.discriminator_hidden)
                    for name, width in widths.items()
                }
            )

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """``generator``: all but the discriminators, which are ``discriminator``."""
        opponents = list(self.discriminators.parameters())
        others = [p for name, p in self.named_parameters() if not name.startswith("discriminators")]
        return {"generator": others} | ({"discriminator": opponents} if opponents else {})

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        """The generators', fusion's and classifier's losses, then L_adv for the discriminators."""
        real = {"image": batch.image, "text": batch.text}
        # By the space they lie in: texts mapped among the images, and the other way round.
        mapped = {_OTHER[name]: self.encoders[name].generator(x) for name, x in real.items()}  # type: ignore[operator]
        losses: dict[str, Tensor] = {}
        if self.weights["alignment"]:
            losses["alignment"] = correlation_loss(mapped["image"], batch.image)
            losses["alignment"] = losses["alignment"] + correlation_loss(mapped["text"], batch.text)
        image, text = (self.encoders[name].fuse(x, mapped[_OTHER[name]]) for name, x in real.items())  # type: ignore[operator]
        if self.weights["correlation"]:
            losses["correlation"] = correlation_loss(image, text)
        if self.classifier is not None:
            losses["classification"] = classification_loss(self.classifier(image), self.classifier(text), batch.labels)
        total = sum((self.weights[name] * loss for name, loss in losses.items()), image.new_zeros(()))
        if not self.discriminators:
            yield Objective("generator", total, losses)
            return
        fooling = self._tell(mapped, real)["adversarial"]
        yield Objective("generator", total + self.weights["adversarial"] * fooling, losses | {"fooling": fooling})
        figures = self._tell(real, {space: features.detach() for space, features in mapped.items()})
        yield Objective("discriminator", figures["adversarial"], figures)

    def _tell(self, ones: dict[str, Tensor], zeros: dict[str, Tensor]) -> dict[str, Tensor]:
        """L_adv over both spaces, and how many are told right."""
        logits = [(judge(ones[space]), judge(zeros[space])) for space, judge in self.discriminators.items()]
        return {
            "adversarial": torch.stack([adversarial_loss(*pair) for pair in logits]).sum(),
            "discriminator_accuracy": torch.stack([discriminator_accuracy(*pair) for pair in logits]).mean(),
        }


@dataclass(kw_only=True, eq=False, repr=False)
class FeatureGAN(DeclaredMethod):
    """Adversarial alignment of features, in both directions, with attention-weighted fusion.

    Generators G_v: images to the text space, and G_t: texts to the image space, and a discriminator in each space,

        L_adv    = BCE of D_t, real t against mapped G_v(v)  +  BCE of D_v, real v against mapped G_t(t)
        L_align  = mean_i ||G_v(v_i) - t_i||^2 + ||G_t(t_i) - v_i||^2
        code(v)  = a_1 P_v v + a_2 P_t G_v(v),   code(t) = b_1 P_v G_t(t) + b_2 P_t t
        L_corr   = mean_i ||code(v_i) - code(t_i)||^2
        L_dis    = cross-entropy of a classifier of both codes

    with projections P shared by both modalities and attention weights of each item (``masln.nn.AttentionFusion``). The
    discriminators minimise L_adv, in turns with all else, which minimises ``alignment`` L_align + ``correlation``
    L_corr + ``classification`` L_dis + ``adversarial`` times L_adv with real and mapped exchanged (Goodfellow's form
    that does not saturate). Without L_align the mapped features would be spread like the real ones, but nothing would
    say which belongs to which. With pairs to align by, the game itself changes the mAP of validation classes by less
    than one split can tell (``benchmarks/results/supervised_defaults.json``).

    The parts are the field's; their arrangement, sizes and weights are ours, of no single paper.

    Args:
        code_width: Width of the fused codes.
        hidden: Widths of the hidden layers of each generator.
        discriminator_hidden: The same of each discriminator.
        alignment: Weight of L_align; 0 switches the loss off, and likewise below.
        correlation: Weight of L_corr.
        classification: Weight of L_dis.
        adversarial: Weight of the generators' part of the game; with 0 there are no discriminators.

    The other hyper-parameters are those of ``DeclaredMethod``.

    References:
        Goodfellow, I., et al.: Generative adversarial nets. NeurIPS 2014 (the game). The arrangement is ours.
    """

    summary: ClassVar[str] = "feature-level GANs between the modalities, both directions, fused by attention"
    reference: ClassVar[str] = "ours, after Goodfellow et al., NeurIPS 2014"
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {"input_scaling": ("center-l2", "l2")}
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "alignment": (1.0, 0.3, 3.0),
        "correlation": (1.0, 0.1, 10.0),
        "classification": (1.0, 0.1, 10.0),
        "adversarial": (0.1, 10.0),
    }
    LOSSES: ClassVar[tuple[str, ...]] = ("alignment", "correlation", "classification", "adversarial")

    code_width: int = 128  # ours, as all below
    hidden: Sequence[int] = (512,)
    discriminator_hidden: Sequence[int] = (64,)
    alignment: float = 1.0
    correlation: float = 1.0
    classification: float = 1.0
    adversarial: float = 0.1
    batch_size: int = 64

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        self._require_widths("code_width", "hidden", "discriminator_hidden")
        self._require_not_negative(*self.LOSSES)
        if not (self.alignment or self.correlation or self.classification):
            raise ConfigError("alignment, correlation and classification are all 0: nothing says what belongs together")
        return FeatureGANNetwork(self, d_image, d_text, n_classes)
