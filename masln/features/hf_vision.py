"""Image towers through transformers: ResNet, ViT, DINOv2, CLIP and SigLIP, from a local directory or a hub name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from masln.errors import ConfigError, DataError, MissingExtraError, unknown_name
from masln.features.image_extractor import ImageExtractor
from masln.features.pretrained import folder_hash, load_pretrained, model_folder
from masln.features.torch_threads import one_torch_thread

__all__ = ["HFVision"]


class _Family(NamedTuple):
    """How one family of models is loaded and read."""

    architecture: str
    pooled: Callable[[Any], Any]
    regions: Callable[[Any, Any], Any]
    options: Mapping[str, Any] = MappingProxyType({})


def _after_cls(output: Any, config: Any) -> Any:
    return output.last_hidden_state[:, 1 + getattr(config, "num_register_tokens", 0) :]


def _cls(output: Any) -> Any:
    return output.last_hidden_state[:, 0]


# ViT's own pooler is left out: most checkpoints lack its weights, and it would be random.
_FAMILIES = {
    "resnet": _Family(
        "ResNetModel",
        lambda output: output.pooler_output.flatten(1),
        lambda output, config: output.last_hidden_state.flatten(2).transpose(1, 2),
    ),
    "vit": _Family("ViTModel", _cls, _after_cls, {"add_pooling_layer": False}),
    "dinov2": _Family("Dinov2Model", _cls, _after_cls),
    "dinov2_with_registers": _Family("Dinov2WithRegistersModel", _cls, _after_cls),
    "clip": _Family("CLIPVisionModelWithProjection", lambda output: output.image_embeds, _after_cls),
    "clip_vision_model": _Family("CLIPVisionModel", lambda output: output.pooler_output, _after_cls),
    "siglip": _Family(
        "SiglipVisionModel", lambda output: output.pooler_output, lambda output, config: output.last_hidden_state
    ),
}
_FAMILIES["siglip_vision_model"] = _FAMILIES["siglip"]


class _Loaded(NamedTuple):
    model: Any
    processor: Any
    family: _Family
    shape: tuple[int, ...]


class HFVision(ImageExtractor):
    """The image tower of a pretrained model, with the model's own image processor.

    ``global`` is what the family pools to: the mean of the map (ResNet), the class token after the last normalisation
    (ViT, DINOv2), the projected embedding that is compared with texts (CLIP), the attention-pooled one (SigLIP).
    ``regions`` are the positions of the last map or the patch tokens, row by row, without class or register tokens.

    Weights must be safetensors. The hash covers the model's files, not where they lie.

    Args:
        model: A local directory, or a name on the hub, which is downloaded once.
        layout: ``global`` or ``regions``.
    """

    name = "hf-vision"
    summary = "image tower from transformers (ResNet, ViT, DINOv2, CLIP, SigLIP): pooled, or its regions"
    reference = "He et al., CVPR 2016; Dosovitskiy et al., ICLR 2021; Oquab et al., 2023; Radford et al., ICML 2021"
    modality: ClassVar[str] = "image"

    def __init__(self, *, model: str = "", layout: str = "global") -> None:
        self.model = model
        self.layout = layout

    @property
    def dim(self) -> int:
        """Width of the pooled feature or of a region."""
        return int(self._network.shape[-1])

    @property
    def length(self) -> int:
        """Regions of an image of the processor's size, or 0."""
        return int(self._network.shape[0]) if self.layout == "regions" else 0

    def check(self) -> None:
        """Find what is wrong with the hyper-parameters; ConfigError when ``model`` is not given."""
        super().check()
        if not os.fspath(self.model):
            raise ConfigError(f"{self.name} needs a model: a local directory or a hub name, as model=...")

    def _identity(self) -> dict[str, Any]:
        return super()._identity() | {"model": folder_hash(model_folder(self.model))}

    def _load(self) -> _Loaded:
        if find_spec("transformers") is None:
            raise MissingExtraError("transformers", "features", self.name)
        import torch
        import transformers

        folder = model_folder(self.model)
        try:
            config = transformers.AutoConfig.from_pretrained(str(folder), local_files_only=True)
            # The one made of PIL and numpy, wherever torchvision is installed too: the two differ in bits.
            processors: Any = transformers.AutoImageProcessor
            processor = processors.from_pretrained(str(folder), local_files_only=True, backend="pil")
        except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(f"{folder}: no image model with its processor ({reason}); get it again") from error
        family = _family(folder, config)
        if config.model_type == "clip":  # an image tower alone would take its own default width
            config.vision_config.projection_dim = config.projection_dim
        tower = getattr(config, "vision_config", config)
        architecture = getattr(transformers, family.architecture)
        model = load_pretrained(architecture, folder, config=tower, dtype=torch.float32, **family.options)
        loaded = _Loaded(model, processor, family, ())
        return loaded._replace(shape=self._probe(loaded))

    def _probe(self, loaded: _Loaded) -> tuple[int, ...]:
        """The shape of one image's features, (dim,) or (length, dim), by trying."""
        import torch
        from PIL import Image

        try:
            pixels = [_processed(loaded.processor, Image.new("RGB", size)) for size in ((64, 48), (48, 64))]
            if pixels[0].shape != pixels[1].shape:
                raise ValueError(f"{pixels[0].shape} and {pixels[1].shape}, but one size for all pictures is needed")
            with torch.inference_mode(), one_torch_thread():
                return tuple(self._forward(loaded, np.stack(pixels)).shape[1:])
        except (ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"model {self.model} does not take what its own processor gives ({reason})") from error

    def _pixels(self, image: Any) -> NDArray[np.float32]:
        return _processed(self._network.processor, image)

    def _forward(self, network: _Loaded, pixels: NDArray[Any]) -> Any:
        import torch

        output = network.model(pixel_values=torch.from_numpy(pixels))
        if self.layout == "global":
            return network.family.pooled(output)
        return network.family.regions(output, network.model.config)


def _family(folder: Path, config: Any) -> _Family:
    kind = config.model_type
    if kind not in _FAMILIES:
        raise DataError(f"{folder}: {unknown_name('kind of image model', kind, _FAMILIES)}")
    if config.architectures == ["CLIPVisionModelWithProjection"]:
        kind = "clip"
    return _FAMILIES[kind]


def _processed(processor: Any, image: Any) -> NDArray[np.float32]:
    pixels: NDArray[np.float32] = processor(image, return_tensors="np")["pixel_values"][0].astype(np.float32)
    return pixels
