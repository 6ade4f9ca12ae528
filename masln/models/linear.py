"""LinearMethod: what methods that project scaled features share, so that a method file says only what is its own."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from masln.data import PairedDataset
from masln.errors import ConfigError, DataError
from masln.models.base import Arrays, Method, ValidationScore
from masln.nn import InputScaling, ProjectingEncoder, ScaledEncoder, scaling_of
from masln.training import Runtime

__all__ = ["LinearMethod"]


class LinearMethod(Method):
    """A method whose codes are (f(s(x)) - m) W, in float64: features scaled, centred and projected.

    Subclasses have the hyper-parameter ``input_scaling`` and implement ``_directions``. After ``fit``: ``scalings_``,
    ``means_`` and ``weights_``, each by modality.
    """

    #: The least value of each hyper-parameter that has one.
    LEAST: ClassVar[dict[str, float]] = {}
    #: Tensors that ``fit`` learns beyond means and weights; ``"x"`` stands for the attribute ``x_``.
    LEARNED: ClassVar[tuple[str, ...]] = ()
    #: Whether features are centred, beyond what the input scaling does.
    CENTRED: ClassVar[bool] = True
    #: Of how many classes there must be training pairs.
    CLASSES: ClassVar[int] = 1
    #: Whether the classes must have embeddings.
    CLASS_EMBEDDINGS: ClassVar[bool] = False

    input_scaling: str

    scalings_: dict[str, InputScaling]
    means_: dict[str, Tensor]
    weights_: dict[str, Tensor]

    @abstractmethod
    def _directions(self, image: Tensor, text: Tensor, train: PairedDataset) -> tuple[Tensor, Tensor]:
        """Learn the weights (d_image, d_code) and (d_text, d_code) from centred features, a row a training pair."""

    def _lift(self, views: dict[str, Tensor]) -> None:
        """Learn what ``_features`` needs from the scaled training features; nothing by default."""

    def _features(self, modality: str) -> nn.Module:
        """From scaled features to what is centred and projected: these themselves by default."""
        return nn.Identity()

    def _readout(self, modality: str) -> nn.Module:
        """From what is projected to the codes: this itself by default."""
        return nn.Identity()

    def encoder_module(self, modality: str) -> nn.Module:
        """See ``Method.encoder_module``; in float64."""
        projecting = ProjectingEncoder(
            self._features(modality), self.means_[modality], self.weights_[modality], self._readout(modality)
        )
        return ScaledEncoder(self.scalings_[modality], projecting)

    def _mean(self, features: Tensor, train: PairedDataset) -> Tensor:
        """What centres the features (n, d) of the training pairs."""
        return features.mean(dim=0) if self.CENTRED else torch.zeros_like(features[0])

    def check(self, pairs: PairedDataset) -> None:
        """See ``Method.check``; also refuses classes without embeddings where they are needed."""
        super().check(pairs)
        name = type(self).__name__
        if self.CLASS_EMBEDDINGS and pairs.class_embeddings is None:
            raise DataError(
                f"{name} maps to class embeddings and {pairs.name} has none; make the bundle with class vectors"
            )
        for modality in ("image", "text"):
            InputScaling(scaling_of(self.input_scaling, modality), 1)  # refuses an unknown kind
        values = [getattr(self, key) for key in self.LEAST]
        if any(value < least for value, least in zip(values, self.LEAST.values(), strict=True)):
            wanted = " and ".join(f"{key} >= {least}" for key, least in self.LEAST.items())
            raise ConfigError(f"{name} needs {wanted}, got {' and '.join(map(str, values))}")

    @torch.no_grad()
    def _fit(
        self,
        train: PairedDataset,
        validation: PairedDataset | None,
        runtime: Runtime,
        score: ValidationScore,
    ) -> None:
        if (classes := len(np.unique(train.labels))) < self.CLASSES:
            raise DataError(
                f"{type(self).__name__} needs training pairs of at least {self.CLASSES} classes and got those of "
                f"{classes}; hold fewer classes out"
            )
        self.scalings_ = {
            "image": InputScaling(scaling_of(self.input_scaling, "image"), self.d_image_).fit(train.image),
            "text": InputScaling(scaling_of(self.input_scaling, "text"), self.d_text_).fit(train.text),
        }
        features = {"image": train.image, "text": train.text}
        views = {name: self.scalings_[name](_wide(X)) for name, X in features.items()}
        self._lift(views)
        views = {name: self._features(name)(X) for name, X in views.items()}
        self.means_ = {name: self._mean(X, train) for name, X in views.items()}
        image, text = (X - self.means_[name] for name, X in views.items())
        weights = self._directions(image, text, train)
        self.weights_ = {name: W.contiguous() for name, W in zip(views, weights, strict=True)}

    @torch.no_grad()
    def _encode(self, X: NDArray[Any], modality: str, mask: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        codes: Tensor = self.encoder_module(modality)(_wide(X))
        return codes.numpy()

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays: dict[str, Tensor] = {name: getattr(self, f"{name}_") for name in self.LEARNED}
        for name, scaling in self.scalings_.items():
            arrays |= {f"{name}.mean": self.means_[name], f"{name}.weights": self.weights_[name]}
            arrays |= {f"{name}.scaling.{key}": value for key, value in scaling.state_dict().items()}
        widths = {name: scaling.d_out for name, scaling in self.scalings_.items()}
        return {name: values.numpy() for name, values in arrays.items()}, {"scaled_widths": widths}

    def _restore(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
        for name in self.LEARNED:
            setattr(self, f"{name}_", tensors[name])
        self.means_, self.weights_, self.scalings_ = {}, {}, {}
        for name, width in (("image", self.d_image_), ("text", self.d_text_)):
            scaling = InputScaling(scaling_of(self.input_scaling, name), width, facts["scaled_widths"][name])
            scaling.load_state_dict({key: tensors[f"{name}.scaling.{key}"] for key in scaling.state_dict()})
            self.scalings_[name] = scaling
            self.means_[name], self.weights_[name] = tensors[f"{name}.mean"], tensors[f"{name}.weights"]


def _wide(X: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.asarray(X, dtype=np.float64))
