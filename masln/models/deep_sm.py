"""Deep-SM: deep semantic matching, a classifier a modality whose class posteriors are the codes (2017)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from masln.errors import DataError
from masln.losses import classification_loss
from masln.models.declared import DeclaredMethod
from masln.models.deep import TwoTower
from masln.nn import feed_forward
from masln.training import Batch, Objective

__all__ = ["DeepSM", "DeepSMNetwork"]


class DeepSMNetwork(TwoTower):
    """A softmax classifier a modality, nothing shared; its posteriors are the codes."""

    def __init__(self, method: DeepSM, d_image: int, d_text: int, n_classes: int) -> None:
        super().__init__()
        layers = {"image": (d_image, method.image_hidden), "text": (d_text, method.text_hidden)}
        self.encoders = nn.ModuleDict(
            {
                name: nn.Sequential(feed_forward(width, hidden, n_classes, dropout=method.dropout), nn.Softmax(dim=-1))
                for name, (width, hidden) in layers.items()
            }
        )

    def _scores(self, name: str, features: Tensor) -> Tensor:
        encoder = self.encoders[name]
        assert isinstance(encoder, nn.Sequential)
        return encoder[0](features)  # type: ignore[no-any-return]

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        """L_dis, the cross-entropy of both classifiers; neither feels the other's."""
        scores = self._scores("image", batch.image), self._scores("text", batch.text)
        loss = classification_loss(*scores, batch.labels)
        yield Objective("network", loss, {"classification": loss})


@dataclass(kw_only=True, eq=False, repr=False)
class DeepSM(DeclaredMethod):
    """Deep semantic matching: both modalities meet in the space of class posteriors.

    With classifiers g_v, g_t, one a modality, trained apart by the softmax cross-entropy of the class,

        code(v) = softmax g_v(v),   code(t) = softmax g_t(t).

    The posteriors are over the classes of training. An item of an unseen class is described by how much it resembles
    each seen one; no more than that is known of it, and codes are as wide as there are seen classes.

    The paper fine-tunes a convolutional network on the photos and trains fully connected layers on word counts. Here
    the features are given, and the photos' part is what the paper adds on top of that network, a softmax layer. The
    text network's sizes and the optimiser are ours.

    Args:
        image_hidden: Widths of the hidden layers of g_v; none is a softmax regression.
        text_hidden: The same of g_t.
        dropout: After each hidden layer.

    The other hyper-parameters are those of ``DeclaredMethod``.

    References:
        Wei, Y., Zhao, Y., Lu, C., Wei, S., Liu, L., Zhu, Z., Yan, S.: Cross-modal retrieval with CNN visual features:
        a new baseline. IEEE Transactions on Cybernetics 47(2), 2017, pages 449-460.
    """

    summary: ClassVar[str] = "deep semantic matching: the codes are posteriors of the seen classes"
    reference: ClassVar[str] = "Wei et al., IEEE Trans. Cybernetics 2017"
    search_space: ClassVar[dict[str, tuple[str, ...]]] = {"input_scaling": ("center-l2", "l2")}
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "image_hidden": ((), (512,)),
        "dropout": (0.0, 0.5),
        "learning_rate": (1e-3, 3e-4),
        "epochs": (40, 20, 80),
    }

    image_hidden: Sequence[int] = ()
    text_hidden: Sequence[int] = (512,)  # ours
    dropout: float = 0.0  # ours

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        if n_classes < 2:
            raise DataError(f"DeepSM needs pairs of at least two classes to tell apart, got {n_classes}")
        self._require_widths("image_hidden", "text_hidden")
        self._require_share("dropout")
        return DeepSMNetwork(self, d_image, d_text, n_classes)
