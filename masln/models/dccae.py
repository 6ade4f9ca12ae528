"""DCCAE: deep canonically correlated autoencoders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from masln.losses import canonical_correlation_loss, reconstruction_loss
from masln.models.dcca import DCCA, DCCANetwork
from masln.models.deep import TwoTower
from masln.nn import feed_forward
from masln.training import Batch, Objective

__all__ = ["DCCAE", "DCCAENetwork"]


class DCCAENetwork(DCCANetwork):
    """The network of DCCA and a decoder for each modality, from its own code."""

    def __init__(self, method: DCCAE, d_image: int, d_text: int) -> None:
        super().__init__(method, d_image, d_text)
        self.weight = method.reconstruction
        self.decoders = nn.ModuleDict(
            {
                name: feed_forward(method.code_width, method.decoder_hidden, width)
                for name, width in (("image", d_image), ("text", d_text))
            }
        )

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        """L_cca + lambda L_rec."""
        codes = image, text = self.learned_codes(batch)
        losses: dict[str, Tensor] = {
            "canonical_correlation": canonical_correlation_loss(*codes, ridge=self.ridge),
            "reconstruction": reconstruction_loss(self.decoders["image"](image)[None], batch.image)
            + reconstruction_loss(self.decoders["text"](text)[None], batch.text),
        }
        yield Objective("network", losses["canonical_correlation"] + self.weight * losses["reconstruction"], losses)


@dataclass(kw_only=True, eq=False, repr=False)
class DCCAE(DCCA):
    """Deep canonically correlated autoencoders: DCCA whose codes must also tell their features.

    With encoders f, g and decoders p, q, and the correlation of ``DCCA``,

        minimise  -corr(f(X), g(Y)) + lambda * mean_i ( ||x_i - p(f(x_i))||^2 + ||y_i - q(g(y_i))||^2 ).

    The paper pretrains by restricted Boltzmann machines; here all weights start at random.

    Args:
        reconstruction: The weight lambda; 0 is DCCA.
        decoder_hidden: Widths of the decoders' hidden layers.
        ridge: As for ``DCCA``.

    The other hyper-parameters are those of ``TwoEncoderMethod``.

    References:
        Wang, W., Arora, R., Livescu, K., Bilmes, J.: On deep multi-view representation learning. ICML 2015.
    """

    summary: ClassVar[str] = "deep canonically correlated autoencoders: DCCA that also reconstructs"
    reference: ClassVar[str] = "Wang et al., ICML 2015"
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-2, 1e-3, 3e-3),
        "dropout": (0.3, 0.0, 0.5),
        "reconstruction": (1.0, 0.1, 10.0),
    }

    reconstruction: float = 1.0  # ours
    decoder_hidden: Sequence[int] = (512,)  # ours

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        self._require_not_negative("ridge", "reconstruction")
        self._require_widths("decoder_hidden")
        return DCCAENetwork(self, d_image, d_text)
