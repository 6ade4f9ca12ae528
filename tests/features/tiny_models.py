"""Tiny randomly initialised image models, saved as the real ones are, and toy extractors that need no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from masln.errors import DataError
from masln.features.base import Extractor, FeatureBatch
from masln.saving import Arrays

_TOWER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
_PATCHES = _TOWER | {"image_size": 32, "patch_size": 8}
_TEXT = _TOWER | {"vocab_size": 40, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
_SQUARE = {"height": 32, "width": 32}


def _makers(transformers: Any) -> dict[str, Callable[[], tuple[Any, Any]]]:
    """The model and the image processor of each kind."""
    t = transformers
    cut = {"size": {"shortest_edge": 36}, "crop_size": _SQUARE}
    dino = _TOWER | {"image_size": 28, "patch_size": 14}
    return {
        "resnet": lambda: (
            t.ResNetModel(t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")),
            t.ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=0.875),
        ),
        "vit": lambda: (t.ViTModel(t.ViTConfig(**_PATCHES)), t.ViTImageProcessorPil(size=_SQUARE)),
        "vit-classifier": lambda: (
            t.ViTForImageClassification(t.ViTConfig(**_PATCHES, num_labels=3)),
            t.ViTImageProcessorPil(size=_SQUARE),
        ),
        "dinov2": lambda: (t.Dinov2Model(t.Dinov2Config(**dino)), t.BitImageProcessorPil(**cut)),
        "dinov2-registers": lambda: (
            t.Dinov2WithRegistersModel(t.Dinov2WithRegistersConfig(**dino, num_register_tokens=4)),
            t.BitImageProcessorPil(**cut),
        ),
        "clip": lambda: (
            t.CLIPModel(t.CLIPConfig(text_config=_TEXT, vision_config=_PATCHES, projection_dim=6)),
            t.CLIPImageProcessorPil(**cut),
        ),
        "clip-tower": lambda: (t.CLIPVisionModel(t.CLIPVisionConfig(**_PATCHES)), t.CLIPImageProcessorPil(**cut)),
        "clip-projected": lambda: (
            t.CLIPVisionModelWithProjection(t.CLIPVisionConfig(**_PATCHES, projection_dim=6)),
            t.CLIPImageProcessorPil(**cut),
        ),
        "siglip": lambda: (
            t.SiglipModel(t.SiglipConfig(text_config=_TEXT, vision_config=_PATCHES)),
            t.SiglipImageProcessorPil(size=_SQUARE),
        ),
        "siglip-tower": lambda: (
            t.SiglipVisionModel(t.SiglipVisionConfig(**_PATCHES)),
            t.SiglipImageProcessorPil(size=_SQUARE),
        ),
    }


KINDS = tuple(_makers(None))


def save_model(kind: str, folder: Path, *, seed: int = 0) -> tuple[Any, Any]:
    """Save a tiny model of a kind into a folder; the model and its processor."""
    import torch
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(seed)
    model, processor = _makers(transformers)[kind]()
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return model, processor


class Tally(Extractor):
    """Sums and counts of lists of numbers: fast, without a network, and its batches hold one another's mean."""

    name = "tally"
    modality: ClassVar[str] = "image"
    summary = "sums of numbers"
    reference = "none"
    concurrent: ClassVar[bool] = True
    layouts: ClassVar[tuple[str, ...]] = ("global", "regions")

    def __init__(self, *, scale: float = 1.0, layout: str = "global") -> None:
        self.scale = scale
        self.layout = layout

    @property
    def dim(self) -> int:
        return 3

    @property
    def length(self) -> int:
        return 2 if self.layout == "regions" else 0

    def _read(self, item: Any) -> float:
        if isinstance(item, str):
            raise DataError(f"{item}: no number")
        return float(item)

    def _extract(self, items: Sequence[float]) -> FeatureBatch:
        mean = np.nansum(items) / len(items)  # a batch of other bounds would have another
        rows = np.array([[item, item * self.scale, mean] for item in items], dtype=np.float32)
        return FeatureBatch(np.stack([rows, -rows], axis=1) if self.length else rows)


class Words(Extractor):
    """Positions of letters, padded: a learning extractor of texts with a mask."""

    name = "words"
    modality: ClassVar[str] = "text"
    summary = "letters of texts"
    reference = "none"
    learns: ClassVar[bool] = True
    layout = "tokens"
    layouts: ClassVar[tuple[str, ...]] = ("tokens",)

    @property
    def dim(self) -> int:
        return 1

    @property
    def length(self) -> int:
        return 5

    def _fit(self, items: Any) -> None:
        self.letters_ = sorted({letter for item in items for letter in item})

    def _extract(self, items: Sequence[str]) -> FeatureBatch:
        values, mask = np.zeros((len(items), 5, 1), dtype=np.float32), np.zeros((len(items), 5), dtype=np.bool_)
        for row, item in enumerate(items):
            for at, letter in enumerate(item[:5]):
                values[row, at, 0], mask[row, at] = self.letters_.index(letter), True
        return FeatureBatch(values, mask)

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        return {"codes": np.array([ord(letter) for letter in self.letters_])}, {"letters": len(self.letters_)}

    def _restore(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        self.letters_ = [chr(code) for code in arrays["codes"]]


def save_small_vgg(file: Path, *, seed: int = 0) -> dict[str, Any]:
    """Random weights in torchvision's names for ``vgg._PLAN`` and ``vgg._HIDDEN`` as they stand (or were patched)."""
    import torch

    from masln.features import vgg

    generator = torch.Generator().manual_seed(seed)
    shapes: dict[str, tuple[int, ...]] = {}
    channels, index = 3, 0
    for layer in vgg._PLAN:
        if isinstance(layer, int):
            shapes[f"features.{index}"] = (layer, channels, 3, 3)
            channels = layer
        index += 2 if isinstance(layer, int) else 1  # a ReLU follows each convolution
    shapes |= {"classifier.0": (vgg._HIDDEN, channels * 49), "classifier.3": (vgg._HIDDEN, vgg._HIDDEN)}
    shapes["classifier.6"] = (10, vgg._HIDDEN)
    state = {}
    for name, shape in shapes.items():
        state[f"{name}.weight"] = torch.randn(shape, generator=generator) * (2 / np.prod(shape[1:])) ** 0.5
        state[f"{name}.bias"] = torch.randn(shape[0], generator=generator) / 10
    torch.save(state, file)
    return state
