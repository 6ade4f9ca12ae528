"""VGG-19's fc7: the 4096-d image feature of the cross-modal papers of 2014 to 2020."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from masln.errors import DataError, MissingExtraError
from masln.features.image_extractor import ImageExtractor
from masln.features.pretrained import content_hash

__all__ = ["VGG19FC7"]

# Configuration E of the paper: convolutions of 3 x 3 by their widths, and where maxima are taken.
_PLAN = (64, 64, "max", 128, 128, "max", *(256,) * 4, "max", *(512,) * 4, "max", *(512,) * 4, "max")
_HIDDEN = 4096
_SHORTER_SIDE, _SIDE, _GRID = 256, 224, 7
# Of the ImageNet pictures in [0, 1]; torchvision trained its weights with these.
_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)


class VGG19FC7(ImageExtractor):
    """VGG-19 on ImageNet: the second fully connected layer after its ReLU (4096,), or the last map (49, 512).

    The shorter side is scaled to 256 (bilinear), the middle 224 x 224 cut out, as torchvision's weights expect.

    Args:
        weights: A state dictionary in torchvision's names, such as ``vgg19-dcbb9e9d.pth`` or a .safetensors file; by
            default torchvision's ``IMAGENET1K_V1``, which it downloads once. Torchvision is needed for that alone.
        layout: ``global`` (fc7) or ``regions``, the 7 x 7 map after the last pooling.
    """

    name = "vgg19-fc7"
    summary = "VGG-19 fc7 on ImageNet, weights from torchvision or a file: 4096-d, or 49 regions of 512"
    reference = "Simonyan & Zisserman, Very deep convolutional networks, ICLR 2015"
    modality: ClassVar[str] = "image"

    def __init__(self, *, weights: str = "", layout: str = "global") -> None:
        self.weights = weights
        self.layout = layout

    @property
    def dim(self) -> int:
        """4096, or 512 for regions."""
        return _HIDDEN if self.layout == "global" else int(max(w for w in _PLAN if isinstance(w, int)))

    @property
    def length(self) -> int:
        """49 regions, or 0."""
        return _GRID * _GRID if self.layout == "regions" else 0

    def _identity(self) -> dict[str, Any]:
        given = os.fspath(self.weights)
        if given and not Path(given).is_file():
            raise DataError(f"no such file of VGG-19 weights: {given}")
        return super()._identity() | {"weights": content_hash(Path(given)) if given else "IMAGENET1K_V1"}

    def _load(self) -> Any:
        import torch
        from torch import nn

        layers: list[nn.Module] = []
        channels = 3
        for width in _PLAN:
            if isinstance(width, int):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            else:
                layers.append(nn.MaxPool2d(2))
        flat = channels * _GRID * _GRID
        fully_connected = [nn.Linear(flat, _HIDDEN), nn.ReLU(), nn.Dropout(), nn.Linear(_HIDDEN, _HIDDEN), nn.ReLU()]
        network = nn.ModuleDict({"features": nn.Sequential(*layers), "classifier": nn.Sequential(*fully_connected)})
        state = {key: values for key, values in self._state_dict().items() if not key.startswith("classifier.6.")}
        try:
            network.load_state_dict({key: torch.as_tensor(values) for key, values in state.items()})
        except RuntimeError as error:
            line = " ".join(str(error).split())[:200]
            raise DataError(f"{self.weights or 'torchvision'}: not the weights of VGG-19 ({line})") from error
        return network.eval()

    def _state_dict(self) -> dict[str, Any]:
        given = os.fspath(self.weights)
        if not given:
            return _torchvision_weights()
        import torch
        from safetensors.torch import load_file

        path = Path(given)
        if not path.is_file():
            raise DataError(f"no such file of VGG-19 weights: {given}")
        try:
            if path.suffix == ".safetensors":
                return dict(load_file(path))
            return dict(torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # torch raises UnpicklingError, RuntimeError, EOFError, ... here
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(f"{path}: cannot be read as weights ({reason}); get the file again") from error

    def _pixels(self, image: Any) -> NDArray[np.float32]:
        from PIL import Image

        scale = _SHORTER_SIDE / min(image.size)
        width, height = (max(_SHORTER_SIDE, int(side * scale)) for side in image.size)
        left, top = round((width - _SIDE) / 2), round((height - _SIDE) / 2)
        scaled = image.resize((width, height), Image.Resampling.BILINEAR)
        middle = np.asarray(scaled.crop((left, top, left + _SIDE, top + _SIDE)), dtype=np.float32) / 255
        return np.ascontiguousarray(((middle - _MEAN) / _DEVIATION).transpose(2, 0, 1))

    def _forward(self, network: Any, pixels: NDArray[Any]) -> Any:
        import torch

        map_ = network["features"](torch.from_numpy(pixels))
        return network["classifier"](map_.flatten(1)) if self.layout == "global" else map_.flatten(2).transpose(1, 2)


def _torchvision_weights() -> dict[str, Any]:
    try:
        from torchvision.models import VGG19_Weights  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except (ImportError, RuntimeError) as error:  # RuntimeError: beside a torch that it was not built for
        raise MissingExtraError(
            "torchvision",
            "features",
            "vgg19-fc7 without weights=FILE",
            command="install the torchvision built for your torch, or give the file vgg19-dcbb9e9d.pth",
        ) from error
    return dict(VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True))
