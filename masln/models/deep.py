"""DeepMethod: what all network methods share, so that a method file says only what is its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from masln.data import PairedDataset, row_blocks
from masln.errors import DataError
from masln.models.base import Arrays, Method, ValidationScore
from masln.nn import InputScaling, ScaledEncoder, scaling_of
from masln.training import (
    FeatureSource,
    PairBatches,
    Runtime,
    TrainingPlan,
    TrainingResult,
    resolve_device,
    scaled_bytes,
    train,
)

__all__ = ["DeepMethod", "TwoTower"]


class TwoTower(nn.Module):
    """A network with one encoder a modality, plus whatever its objectives need.

    Attributes:
        encoders: ``image`` and ``text``, each from scaled features to codes. Of a method that takes sequences, each
            is called with features (n, d) or (n, length, d), and with a mask (n, length) too where these are tokens.
    """

    encoders: nn.ModuleDict

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """One group, ``network``; a network with an opponent has another."""
        return {"network": list(self.parameters())}


class DeepMethod(Method):
    """A method that trains a ``TwoTower`` by the common loop.

    Subclasses have the hyper-parameters ``input_scaling``, ``seed`` and those of ``TrainingPlan``, and implement
    ``_build``. After ``fit``: ``network_``, ``history_`` (one dictionary of losses an epoch), ``best_epoch_``.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    beta1: float
    schedule: str
    warmup: float
    clip_norm: float
    patience: int
    stop_epoch: int
    seed: int
    input_scaling: str

    #: Whether rounding grows into the codes: where normalisation takes a bias away again, its gradient is rounding
    #: alone, which AdamW scales up to whole steps. Seeds do not train in one pass then, which rounds otherwise.
    rounding_grows: ClassVar[bool] = False

    network_: TwoTower
    scalings_: dict[str, InputScaling]
    history_: list[dict[str, float]]
    best_epoch_: int
    best_score_: float | None

    @abstractmethod
    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        """Make the network for scaled features of these widths."""

    def check(self, pairs: PairedDataset) -> None:
        """See ``Method.check``; also builds the network once."""
        super().check(pairs)
        self.plan()
        vectors = pairs.class_embeddings
        d_class = 0 if vectors is None else vectors.shape[1]
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            features = {"image": pairs.image, "text": pairs.text}
            d_image, d_text = (
                InputScaling(scaling_of(self.input_scaling, name), X.shape[-1]).d_out for name, X in features.items()
            )
            self._build(d_image, d_text, len(pairs.class_names), d_class)

    def plan(self) -> TrainingPlan:
        """The optimisation settings among the hyper-parameters."""
        return TrainingPlan(**{name: getattr(self, name) for name in TrainingPlan.__dataclass_fields__})

    def _fit(
        self,
        train_pairs: PairedDataset,
        validation: PairedDataset | None,
        runtime: Runtime,
        score: ValidationScore,
    ) -> None:
        device = resolve_device(runtime.device)
        with self._seeded(device):
            data = self._prepare(train_pairs, device, runtime)
            result = train(
                self.network_,
                data,
                self.plan(),
                runtime=runtime,
                fingerprint=self.fingerprint(train_pairs, validation, runtime),
                validate=self._validation(data, validation, runtime, score),
                title=type(self).__name__,
            )
            self._conclude(data, result)

    @contextmanager
    def _seeded(self, device: torch.device) -> Iterator[None]:
        """Draw from the method's seed within the block; whoever draws after it goes on as if it had not been."""
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(int(self.seed))
            yield

    def _prepare(self, train_pairs: PairedDataset, device: torch.device, runtime: Runtime) -> PairBatches:
        """Fit the scalings, build the network, and make the training pairs a source of batches."""
        vectors = train_pairs.class_embeddings
        self._facts = {
            "n_classes": len(train_pairs.class_names),
            "d_class": 0 if vectors is None else vectors.shape[1],
        }
        self.scalings_ = {
            "image": self._scaling("image").fit(train_pairs.image),
            "text": self._scaling("text").fit(train_pairs.text, train_pairs.text_mask),
        }
        self._assemble(device)
        data = PairBatches(
            train_pairs,
            self.scalings_["image"],
            self.scalings_["text"],
            device=device,
            memory_bytes=runtime.memory_bytes,
        )
        self._initialise(data)
        return data

    def _conclude(self, data: PairBatches, result: TrainingResult) -> None:
        self._settle(data)
        self.history_, self.best_epoch_, self.best_score_ = result.history, result.best_epoch, result.best_score

    def _assemble(self, device: torch.device) -> None:
        widths = (self.scalings_["image"].d_out, self.scalings_["text"].d_out)
        for scaling in self.scalings_.values():
            scaling.to(device, torch.float32 if device.type == "mps" else torch.float64)  # mps has no float64
        self.network_ = self._build(*widths, **self._facts).to(device)

    def _initialise(self, data: PairBatches) -> None:
        """Set what the network takes from the training pairs before the first step; nothing by default."""

    def _settle(self, data: PairBatches) -> None:
        """Set what the codes take from the training pairs as now encoded, before each validation and at the end.

        Nothing by default; a function of weights and pairs alone, so that a resumed run repeats it.
        """

    def _validation(
        self, data: PairBatches, validation: PairedDataset | None, runtime: Runtime, score: ValidationScore
    ) -> Callable[[], float] | None:
        """What scores the network as it stands; None without validation pairs."""
        if validation is None:
            return None
        held_out = self._held_out(validation, data.device, runtime.memory_bytes)

        def validate() -> float:
            self._settle(data)
            image, text = (self._codes(source, name) for name, source in held_out.items())
            return score(image, text, validation.labels)

        return validate

    def _held_out(self, validation: PairedDataset, device: torch.device, memory_bytes: int) -> dict[str, FeatureSource]:
        image, text = self.scalings_["image"], self.scalings_["text"]
        fits = scaled_bytes(validation, image, text) <= memory_bytes
        return {
            "image": FeatureSource(validation.image, image, device, in_memory=fits),
            "text": FeatureSource(validation.text, text, device, in_memory=fits, mask=validation.text_mask),
        }

    def _codes(self, source: FeatureSource, modality: str) -> NDArray[np.float32]:
        return self._outputs(self.network_.encoders[modality], source)

    @torch.no_grad()
    def _outputs(self, encoder: nn.Module, source: FeatureSource) -> NDArray[np.float32]:
        """What an encoder, or a part of one, gives for all rows of a source."""
        self.network_.eval()
        blocks = [
            encoder(*source.inputs(torch.arange(len(source))[rows])).float().cpu().numpy()
            for rows in row_blocks(source.features)
        ]
        return np.concatenate(blocks) if blocks else np.empty((0, 0), dtype=np.float32)

    def encoder_module(self, modality: str) -> nn.Module:
        """See ``Method.encoder_module``; in float32."""
        return ScaledEncoder(self.scalings_[modality], self.network_.encoders[modality]).eval()

    @torch.no_grad()
    def _encode(self, X: NDArray[Any], modality: str, mask: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        device = next(self.network_.parameters()).device
        if len(X) == 0:
            raise DataError(f"no {modality} features to encode")
        encoder, codes = self.encoder_module(modality), []
        for rows in row_blocks(X):
            inputs: list[NDArray[Any]] = [np.array(X[rows], dtype=np.float32)]  # memory-mapped ones are read-only
            if mask is not None:
                inputs.append(np.array(mask[rows], dtype=np.bool_))
            codes.append(encoder(*(torch.from_numpy(values).to(device) for values in inputs)).float().cpu().numpy())
        return np.concatenate(codes)

    def _scaling(self, modality: str, d_out: int | None = None) -> InputScaling:
        width = self.d_image_ if modality == "image" else self.d_text_
        return InputScaling(scaling_of(self.input_scaling, modality), width, d_out)

    def _parts(self) -> dict[str, nn.Module]:
        return {"network": self.network_} | {f"scaling.{name}": s for name, s in self.scalings_.items()}

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays = {
            f"{part}.{name}": values.detach().cpu().numpy()
            for part, module in self._parts().items()
            for name, values in module.state_dict().items()
        }
        widths = {name: scaling.d_out for name, scaling in self.scalings_.items()}
        return arrays, {**self._facts, "scaled_widths": widths, "best_epoch": self.best_epoch_}

    def _restore(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        widths = facts["scaled_widths"]
        self._facts = {"n_classes": facts["n_classes"], "d_class": facts["d_class"]}
        self.best_epoch_, self.best_score_, self.history_ = facts["best_epoch"], None, []
        self.scalings_ = {name: self._scaling(name, widths[name]) for name in ("image", "text")}
        self._assemble(torch.device("cpu"))
        for part, module in self._parts().items():
            tensors = {
                name.removeprefix(f"{part}."): torch.from_numpy(values)
                for name, values in arrays.items()
                if name.startswith(f"{part}.")
            }
            module.load_state_dict(tensors)
        self.network_.eval()
