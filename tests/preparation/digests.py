"""Fast extractors whose features tell any change of a pixel or a letter."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from masln.features import Extractor, FeatureBatch
from masln.features.images import read_image
from masln.features.text_extractor import TextExtractor


def digest(content: bytes) -> np.ndarray:
    """32 numbers from 0 to 255."""
    return np.frombuffer(hashlib.sha256(content).digest(), dtype=np.uint8).astype(np.float32)


class PixelDigest(Extractor):
    """A hash of size and pixels, as features."""

    name = "pixel-digest"
    modality: ClassVar[str] = "image"
    summary = "hash of the pixels"
    reference = "none"
    dim: ClassVar[int] = 32

    def _read(self, item: Any) -> np.ndarray:
        image = read_image(item)
        return digest(f"{image.size}".encode() + image.tobytes())

    def _item_key(self, item: Any) -> bytes:
        return repr(os.fspath(item)).encode()

    def _extract(self, items: Sequence[Any]) -> FeatureBatch:
        return FeatureBatch(np.stack(items))


class TextDigest(TextExtractor):
    """A hash of the text, as features."""

    name = "text-digest"
    summary = "hash of the text"
    reference = "none"
    dim: ClassVar[int] = 32

    def _extract(self, items: Sequence[str]) -> FeatureBatch:
        return FeatureBatch(np.stack([digest(item.encode()) for item in items]))
