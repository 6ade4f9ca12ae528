"""What the contrastive methods share: two towers whose codes have length one, and a memory of earlier batches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from masln.data import PairedDataset
from masln.models.two_encoders import TwoEncoderMethod, TwoEncoders
from masln.nn import (
    CodeMemory,
    LogitScale,
    Remembered,
    SequenceEncoder,
    UnitLength,
    build_context,
    build_pooling,
)
from masln.training import Batch, Objective

__all__ = ["ContrastiveMethod", "ContrastiveNetwork", "TemperedMethod", "TemperedNetwork"]


class ContrastiveNetwork(TwoEncoders):
    """Two encoders, codes of length one, and the codes of earlier batches where they are wanted."""

    #: Name of the loss among the figures.
    figure: ClassVar[str]

    def __init__(self, method: ContrastiveMethod, d_image: int, d_text: int) -> None:
        super().__init__(method, d_image, d_text)
        self.memory = CodeMemory(method.memory, method.code_width) if method.memory else None

    def _encoder(self, method: TwoEncoderMethod, width: int, modality: str) -> nn.Module:
        assert isinstance(method, ContrastiveMethod)
        context = build_context(
            method.context,
            width,
            method.context_width,
            layers=method.context_layers,
            heads=method.context_heads,
            dropout=method.dropout,
            positions=modality == "text",  # regions are a set
        )
        width = width if context is None else method.context_width
        projection = nn.Sequential(super()._encoder(method, width, modality), UnitLength())
        return SequenceEncoder(context, build_pooling(method.pooling, width), projection)

    @abstractmethod
    def contrast(self, image: Tensor, text: Tensor, labels: Tensor, older: Remembered | None) -> Tensor:
        """The loss of a batch, given what is remembered of earlier ones."""

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        """The loss; after the step, the codes that it was computed from are remembered."""
        image, text = self.encoders["image"](batch.image), self.encoders["text"](*batch.text_inputs)
        older = None
        if self.memory is not None:
            assert batch.rows is not None
            older = self.memory.recall(without=batch.rows)
        loss = self.contrast(image, text, batch.labels, older)
        yield Objective("network", loss, {self.figure: loss})
        if self.memory is not None:
            assert batch.rows is not None
            self.memory.add(image, text, batch.labels, batch.rows)


class TemperedNetwork(ContrastiveNetwork):
    """A contrastive network whose cosines are divided by a temperature."""

    def __init__(self, method: TemperedMethod, d_image: int, d_text: int) -> None:
        super().__init__(method, d_image, d_text)
        self.logit_scale = LogitScale(method.temperature, learned=method.learn_temperature)


@dataclass(kw_only=True, eq=False, repr=False)
class ContrastiveMethod(TwoEncoderMethod):
    """A method that contrasts a pair with other pairs by the cosine of codes.

    Image regions and text tokens are put in context, pooled, and then encoded; global features are sequences of one.

    Args:
        memory: Pairs of earlier batches that are candidates too; 0 for none. A pair of the batch is never its own
            candidate from memory.
        context: Of each position of a sequence: ``none``, ``bilstm`` or ``transformer``.
        context_width: Width of what it gives; without a context, positions keep that of the features.
        context_layers: One above the other.
        context_heads: Of a transformer; a divisor of ``context_width``.
        pooling: ``mean``, ``max`` or ``attention``.

    The other hyper-parameters are those of ``TwoEncoderMethod``; ``dropout`` is that of the context too.
    """

    takes_sequences: ClassVar[bool] = True

    memory: int = 0
    context: str = "none"
    context_width: int = 256  # ours
    context_layers: int = 1  # ours
    context_heads: int = 4  # ours
    pooling: str = "mean"

    def check(self, pairs: PairedDataset) -> None:
        """See ``TwoEncoderMethod.check``; also refuses a memory of less than nothing."""
        self._require_not_negative("memory")
        super().check(pairs)


@dataclass(kw_only=True, eq=False, repr=False)
class TemperedMethod(ContrastiveMethod):
    """A contrastive method with a temperature.

    Args:
        temperature: Cosines are divided by it; the one to begin with where it is learned. At least .01.
        learn_temperature: Whether it is a parameter like any other, as in CLIP, or stays.

    The other hyper-parameters are those of ``ContrastiveMethod``.
    """

    temperature: float = 0.1
    learn_temperature: bool = False
