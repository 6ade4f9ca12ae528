"""DCCA: deep canonical correlation analysis, on the whole training set or on mini-batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from masln.data import PairedDataset
from masln.errors import ConfigError, DataError
from masln.losses import canonical_correlation_loss
from masln.models.deep import TwoTower
from masln.models.two_encoders import ProjectedEncoders, ProjectedMethod
from masln.nn import canonical_directions
from masln.training import Batch, Objective

__all__ = ["DCCA", "DCCANetwork"]


class DCCANetwork(ProjectedEncoders):
    """Two encoders, each with a linear projection on top that is solved for and has no parameters to learn."""

    def __init__(self, method: DCCA, d_image: int, d_text: int) -> None:
        super().__init__(method, d_image, d_text)
        self.ridge = method.ridge
        self.smallest_batch = max(self.smallest_batch, method.code_width + 1)

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        """L_cca."""
        loss = canonical_correlation_loss(*self.learned_codes(batch), ridge=self.ridge)
        yield Objective("network", loss, {"canonical_correlation": loss})


@dataclass(kw_only=True, eq=False, repr=False)
class DCCA(ProjectedMethod):
    """Deep canonical correlation analysis.

    Encoders f, g are trained so that linear maps of f(x) and g(y) correlate as much as they can. With the covariances
    of a batch, centred, S_11 and S_22 with a ridge on the diagonal,

        maximise  corr(f(X), g(Y)) = || S_11^(-1/2) S_12 S_22^(-1/2) ||_tr,

    the sum of the canonical correlations. The codes are those of the linear CCA of f(X), g(Y) on all training pairs,
    with the same ridge.

    A batch at or above the number of pairs is the whole-batch training of Andrew et al. (who minimise by L-BFGS after
    pretraining; AdamW from random weights here); smaller ones are the mini-batches of Wang et al. A batch must hold
    more pairs than the code is wide; a last batch that does not, or is below half a batch, joins the one before it.

    The ridge is relative to the mean variance of the code, so that the scale of the features does not matter; the
    covariances are in float64.

    Args:
        ridge: Of each modality's code, relative to its mean variance (ours: relative, and its value).

    The other hyper-parameters are those of ``TwoEncoderMethod``.

    References:
        Andrew, G., Arora, R., Bilmes, J., Livescu, K.: Deep canonical correlation analysis. ICML 2013.
        Wang, W., Arora, R., Livescu, K., Bilmes, J.: Unsupervised learning of acoustic features via deep canonical
        correlation analysis. ICASSP 2015 (mini-batches).
    """

    summary: ClassVar[str] = "deep canonical correlation analysis, whole-batch or mini-batch"
    reference: ClassVar[str] = "Andrew et al., ICML 2013; Wang et al., ICASSP 2015"
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-2, 1e-3, 3e-3),
        "dropout": (0.3, 0.0, 0.5),
        "input_dropout": (0.0, 0.3),
        "ridge": (1e-3, 0.1),
    }

    # ours, by validation classes of three feature sets: whitened dimensions all weigh the same, those that tell little
    # too, so few of them retrieve better (mAP .35 at 8, .32 at 16, .27 at 64); dropout adds .03. Few batches an epoch
    # ask for a high rate (.41 at 1e-2, .40 at 3e-3, .37 at 1e-3).
    code_width: int = 8
    dropout: float = 0.3
    learning_rate: float = 1e-2
    ridge: float = 1e-3  # ours: .1 and more are no better
    batch_size: int = 1024  # ours: most training sets here are one or two batches

    def check(self, pairs: PairedDataset) -> None:
        """See ``DeepMethod.check``; also refuses batches that are not larger than the code is wide."""
        super().check(pairs)
        name = type(self).__name__
        if self.batch_size <= self.code_width:
            raise ConfigError(
                f"{name} needs batch_size above code_width, got {self.batch_size} and {self.code_width}; "
                f"fewer pairs correlate perfectly whatever they are"
            )
        if 2 <= len(pairs) <= self.code_width:
            raise DataError(
                f"{pairs.name}: {len(pairs)} training pairs, but {name} needs more than code_width={self.code_width}; "
                f"lower code_width"
            )

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        self._require_not_negative("ridge")
        return DCCANetwork(self, d_image, d_text)

    def _directions(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        centred = image - image.mean(dim=0), text - text.mean(dim=0)
        directions, _ = canonical_directions(*centred, ridge=self.ridge, n_components=self.code_width)
        return directions
