"""DeclaredMethod: a deep method whose hyper-parameters are fields of a dataclass, those of training written once."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

from masln.errors import ConfigError
from masln.models.deep import DeepMethod

__all__ = ["DeclaredMethod"]


# A dataclass gives each subclass the explicit keyword arguments that scikit-learn's clone asks for, so that shared
# hyper-parameters are written once; eq and repr stay those of scikit-learn.
@dataclass(kw_only=True, eq=False, repr=False)
class DeclaredMethod(DeepMethod):
    """A deep method with the settings of training as fields; a subclass is a dataclass too, with fields of its own.

    Defaults are ours where a subclass does not say otherwise.

    Args:
        input_scaling: As for ``masln.nn.InputScaling``; or ``IMAGE/TEXT``.
        epochs: See ``TrainingPlan``, as all that follow.
        batch_size: Pairs a step; at or above the number of pairs, the whole training set is one batch.
        learning_rate: Of AdamW.
        weight_decay: Of AdamW; with 0 it is Adam.
        beta1: Of AdamW.
        schedule: ``constant``, ``cosine`` or ``linear``.
        warmup: Share of the steps.
        clip_norm: 0 does not clip.
        patience: Of early stopping on the mAP of validation classes; 0 runs all epochs and keeps the last.
        stop_epoch: End after this epoch of the schedule; 0 runs all epochs.
        seed: Of everything random.
    """

    input_scaling: str = "center-l2"
    epochs: int = 40  # ours, as all below: those of MASLN
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    beta1: float = 0.9
    schedule: str = "cosine"
    warmup: float = 0.0
    clip_norm: float = 0.0
    patience: int = 0
    stop_epoch: int = 0
    seed: int = 0

    def _require_widths(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            widths = (value,) if isinstance(value, Integral) else tuple(value)
            if any(width < 1 for width in widths):
                raise ConfigError(f"{name} must be positive, got {value}")

    def _require_not_negative(self, *names: str) -> None:
        for name in names:
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}")

    def _require_share(self, *names: str) -> None:
        for name in names:
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)} must lie in [0, 1)")
