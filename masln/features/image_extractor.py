"""What extractors of images share: reading, a network that is loaded once, its map as one vector or as regions."""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from masln.features.base import Extractor, FeatureBatch
from masln.features.images import read_image
from masln.features.torch_threads import one_torch_thread

__all__ = ["ImageExtractor"]

_LOADING = threading.Lock()  # several threads ask for the network of one extractor at once


class ImageExtractor(Extractor):
    """Base of the extractors that read an image, bring it to the network's form, and run it through.

    A subclass implements ``dim``, ``_pixels``, ``_load`` and ``_forward``; the network is loaded on first use, and
    again when a hyper-parameter was set to another value.
    """

    modality: ClassVar[str] = "image"
    concurrent: ClassVar[bool] = True
    layouts: ClassVar[tuple[str, ...]] = ("global", "regions")

    @abstractmethod
    def _load(self) -> Any:
        """Load the network and what goes with it; kept in ``_network``."""

    @abstractmethod
    def _pixels(self, image: Any) -> NDArray[Any]:
        """An RGB image as an array of the network's size."""

    @abstractmethod
    def _forward(self, network: Any, pixels: NDArray[Any]) -> Any:
        """The features of stacked ``_pixels`` as a tensor (n, dim) or (n, length, dim)."""

    @property
    def _network(self) -> Any:
        key = repr(sorted(self.get_params().items()))
        with _LOADING:
            kept = self.__dict__.get("_kept_network")
            if kept is None or kept[0] != key:
                self.check()
                kept = self._kept_network = (key, self._load())
        return kept[1]

    def __getstate__(self) -> dict[str, Any]:
        """Copies load the network for themselves, as clones do."""
        return {name: value for name, value in self.__dict__.items() if name != "_kept_network"}

    def _read(self, item: Any) -> NDArray[Any]:
        return self._pixels(read_image(item))

    def _item_key(self, item: Any) -> bytes:
        if isinstance(item, str | os.PathLike):
            try:
                facts = os.stat(item)
            except (OSError, ValueError):
                return f"{os.fspath(item)!r} missing".encode()
            return f"{os.fspath(item)!r} {facts.st_size} {facts.st_mtime_ns}".encode()
        try:
            pixels = np.asarray(item)
        except Exception:  # a lazily opened image may be damaged, which reading it will say
            return repr(type(item)).encode()
        return f"{pixels.dtype} {pixels.shape} ".encode() + np.ascontiguousarray(pixels).tobytes()

    def _extract(self, items: Sequence[NDArray[Any]]) -> FeatureBatch:
        import torch

        network = self._network
        with torch.inference_mode(), one_torch_thread():
            features = self._forward(network, np.stack(items))
        return FeatureBatch(np.ascontiguousarray(features.float().numpy()))
