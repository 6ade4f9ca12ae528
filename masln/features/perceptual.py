"""Perceptual hashes: fingerprints of pictures that stay alike when a picture is scaled or compressed again."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.errors import MissingExtraError
from masln.features.images import read_image

__all__ = ["HASH_BITS", "image_fingerprint", "require_fingerprints"]

# 16 x 16 of the lowest frequencies. With the usual 8 x 8 unrelated photos came within 10 of 64 bits of each other among
# a million pairs, and within 86 of 256 bits: only the longer hash leaves room between these and copies.  # ours
_HASH_SIDE = 16
HASH_BITS = _HASH_SIDE**2
_COLOUR_SIDE = 8  # of the thumbnail that tells hearts of two colours apart, which the grey hash does not; ours


def require_fingerprints() -> None:
    """See before the work whether fingerprints can be taken.

    Raises:
        MissingExtraError: Pillow or ImageHash is not installed.
    """
    for module, package in (("PIL", "pillow"), ("imagehash", "ImageHash")):
        if find_spec(module) is None:
            raise MissingExtraError(package, "features", "comparing pictures")


def image_fingerprint(item: Any) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """The perceptual hash of a picture and a tiny thumbnail in colour.

    The hash has a bit for each of the 16 x 16 lowest frequencies of the cosine transform of the grey picture, 64 x 64:
    whether it lies above their median (pHash: Zauner, 2010; as in ImageHash). It does not see colours.

    Args:
        item: What ``read_image`` takes.

    Returns:
        (4,) words of 64 bits, and (8, 8, 3) RGB.

    Raises:
        DataError: the picture is missing, damaged or too large; it is named.
        MissingExtraError: Pillow or ImageHash is not installed.
    """
    require_fingerprints()
    from imagehash import phash
    from PIL import Image

    image = read_image(item)
    bits = np.packbits(phash(image, hash_size=_HASH_SIDE).hash.ravel())
    thumbnail = image.resize((_COLOUR_SIDE, _COLOUR_SIDE), Image.Resampling.BOX)
    return bits.view(np.uint64), np.asarray(thumbnail, dtype=np.uint8)
