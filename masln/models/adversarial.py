"""AdversarialTower: a network whose encoders fool a modality discriminator, by alternating updates or by reversal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from masln.errors import ConfigError, unknown_name
from masln.losses import adversarial_loss, discriminator_accuracy
from masln.models.deep import TwoTower
from masln.nn import ModalityDiscriminator, reversal_schedule, reverse_gradient
from masln.training import Objective

__all__ = ["ADVERSARIES", "AdversarialTower"]

ADVERSARIES = ("alternating", "reversal")


class AdversarialTower(TwoTower):
    """Encoders that minimise their losses less ``adversarial`` L_adv, and a discriminator that minimises L_adv.

    Args:
        adversary: ``alternating`` updates, or gradient ``reversal``.
        adversarial: Weight of L_adv for the encoders; 0 has no discriminator.

    Raises:
        ConfigError: the adversary is unknown.
    """

    discriminator: ModalityDiscriminator | None

    def __init__(self, *, adversary: str, adversarial: float) -> None:
        super().__init__()
        if adversary not in ADVERSARIES:
            raise ConfigError(unknown_name("adversary", adversary, ADVERSARIES))
        self.adversary, self.adversarial = adversary, adversarial
        self.discriminator = None

    def oppose(self, code_width: int, *, hidden: Sequence[int]) -> None:
        """Make the discriminator of codes of this width, where L_adv has a weight."""
        if self.adversarial:
            self.discriminator = ModalityDiscriminator(code_width, hidden=hidden)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """``generator``: all but the discriminator; ``discriminator`` apart when it alternates."""
        opponent = list(self.discriminator.parameters()) if self.discriminator else []
        others = [p for name, p in self.named_parameters() if not name.startswith("discriminator")]
        if opponent and self.adversary == "alternating":
            return {"generator": others, "discriminator": opponent}
        return {"generator": others + opponent}

    def compete(
        self, total: Tensor, losses: dict[str, Tensor], image: Tensor, text: Tensor, progress: float
    ) -> Iterator[Objective]:
        """The objectives of a step: total - g L_adv for the generator, then L_adv for the discriminator.

        Alternating updates reuse the codes of the generator's step, detached.

        Args:
            total: Weighted sum of the other losses.
            losses: The other losses by name, to log.
            image: (n, code_width) codes.
            text: (n, code_width) codes.
            progress: Of training, in [0, 1], for the schedule of the reversal.
        """
        if self.discriminator is None:
            yield Objective("generator", total, losses)
            return
        if self.adversary == "reversal":
            # The discriminator descends at full weight; the encoders feel -g times the schedule.
            strength = self.adversarial * reversal_schedule(progress)
            adversarial, accuracy = self._discriminate(*(reverse_gradient(c, strength) for c in (image, text)))
            figures = losses | {"adversarial": adversarial, "discriminator_accuracy": accuracy}
            yield Objective("generator", total + adversarial, figures)
            return
        fooled, _ = self._discriminate(image, text)
        yield Objective("generator", total - self.adversarial * fooled, losses)
        adversarial, accuracy = self._discriminate(image.detach(), text.detach())
        figures = {"adversarial": adversarial, "discriminator_accuracy": accuracy}
        yield Objective("discriminator", adversarial, figures)

    def _discriminate(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        assert self.discriminator is not None
        logits = self.discriminator(image), self.discriminator(text)
        return adversarial_loss(*logits), discriminator_accuracy(*logits)
