"""What methods of two plain encoders and one joint loss share: their hyper-parameters, network and batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from masln.data import PairedDataset
from masln.errors import ConfigError
from masln.losses import inverse_deviations
from masln.models.declared import DeclaredMethod
from masln.models.deep import TwoTower
from masln.nn import ProjectedEncoder, build_encoder
from masln.training import Batch, PairBatches

__all__ = ["ProjectedEncoders", "ProjectedMethod", "TwoEncoderMethod", "TwoEncoders"]


class TwoEncoders(TwoTower):
    """One encoder a modality."""

    def __init__(self, method: TwoEncoderMethod, d_image: int, d_text: int) -> None:
        super().__init__()
        widths = {"image": d_image, "text": d_text}
        self.encoders = nn.ModuleDict({name: self._encoder(method, width, name) for name, width in widths.items()})
        #: A statistic of few pairs is worth little: a last batch below half a batch joins the one before it (ours).
        self.smallest_batch = max(2, method.batch_size // 2)

    def _encoder(self, method: TwoEncoderMethod, width: int, modality: str) -> nn.Module:
        return build_encoder(
            method.encoder,
            width,
            method.code_width,
            hidden=method.hidden,
            dropout=method.dropout,
            input_dropout=method.input_dropout,
        )


class ProjectedEncoders(TwoEncoders):
    """One encoder a modality; what it learns is projected to the code by what is solved for on all training pairs."""

    def _encoder(self, method: TwoEncoderMethod, width: int, modality: str) -> nn.Module:
        return ProjectedEncoder(super()._encoder(method, width, modality), method.code_width)

    def learned_codes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """f(x) and g(y), before the projection: (n, code_width) each."""
        image, text = self.encoders["image"], self.encoders["text"]
        assert isinstance(image, ProjectedEncoder) and isinstance(text, ProjectedEncoder)
        return image.learned(batch.image), text.learned(batch.text)


@dataclass(kw_only=True, eq=False, repr=False)
class TwoEncoderMethod(DeclaredMethod):
    """A deep method with one encoder a modality; a subclass is a dataclass too, with hyper-parameters of its own.

    Defaults are ours where a subclass does not say otherwise: those of MASLN, or chosen on validation classes
    of three feature sets by ``benchmarks/deep_correlation_defaults.py``.

    Args:
        code_width: Width of the codes.
        encoder: ``linear``, ``mlp`` or ``residual``.
        hidden: Widths of the encoders' hidden layers.
        input_dropout: Dropout on the scaled features.
        dropout: Dropout after hidden layers of the encoders.

    The other hyper-parameters are those of ``DeclaredMethod``.
    """

    # The budget of MASLN.
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {"input_scaling": ("center-l2", "l2")}

    code_width: int = 64  # ours: as CCA
    encoder: str = "mlp"
    hidden: Sequence[int] = (512,)  # ours
    input_dropout: float = 0.0
    dropout: float = 0.0

    def check(self, pairs: PairedDataset) -> None:
        """See ``DeepMethod.check``; also refuses batches of one pair."""
        super().check(pairs)
        if self.batch_size < 2:
            raise ConfigError(f"{type(self).__name__} needs batch_size of at least 2, got {self.batch_size}")


@dataclass(kw_only=True, eq=False, repr=False)
class ProjectedMethod(TwoEncoderMethod):
    """A method of ``ProjectedEncoders``; the projection standardises each dimension unless a subclass says otherwise.

    The hyper-parameters are those of ``TwoEncoderMethod``.
    """

    def _settle(self, data: PairBatches) -> None:
        """Solve for the projection on what the encoders make of the training pairs."""
        encoders = [self.network_.encoders[name] for name in ("image", "text")]
        views = []
        for encoder, source in zip(encoders, (data.image, data.text), strict=True):
            assert isinstance(encoder, ProjectedEncoder)
            views.append(torch.from_numpy(self._outputs(encoder.learned, source)).double())
        for encoder, X, directions in zip(encoders, views, self._directions(*views), strict=True):
            assert isinstance(encoder, ProjectedEncoder)
            encoder.set_projection(X.mean(dim=0), directions)

    def _directions(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Directions (code_width, k) for each of the learned codes (n, code_width), float64."""
        return torch.diag(inverse_deviations(image)), torch.diag(inverse_deviations(text))
