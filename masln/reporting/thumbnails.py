"""Pictures as data within a page."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import NamedTuple

__all__ = ["Thumbnail", "thumbnail_of"]

_SIDE = 256  # pixels, so that a card stays sharp on a fine screen; ours
_QUALITY = 80  # of the JPEG: some 12 kB a photo; ours


class Thumbnail(NamedTuple):
    """A small JPEG as a data URI, and its size in pixels."""

    uri: str
    width: int
    height: int


def thumbnail_of(path: Path) -> Thumbnail:
    """Read a picture and make it small.

    Raises:
        DataError: it is missing, damaged or too large.
        MissingExtraError: Pillow is not installed.
    """
    from masln.features import read_image

    image = read_image(path)
    image.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return Thumbnail(f"data:image/jpeg;base64,{data}", *image.size)
