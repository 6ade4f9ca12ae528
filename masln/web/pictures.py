"""Pictures in and out: uploads looked at before they are decoded, files of items sent only where they are pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from masln.features import read_image
from masln.web.limits import Limits

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["picture_bytes", "read_upload"]

#: As ``read_image`` takes them; of the rest some would start other programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
_MOST_BYTES = 256 << 20  # of an item's file; ours


def read_upload(content: bytes, limits: Limits) -> Image.Image:
    """Read a picture that somebody sent.

    Raises:
        HTTPException: it is no picture (415), or has too many bytes or pixels (413).
        DataError: it is damaged.
    """
    from PIL import Image, UnidentifiedImageError

    if len(content) > limits.upload_bytes:
        raise HTTPException(413, f"the picture has more than {limits.upload_bytes:,} bytes; scale it down")
    if not content:
        raise HTTPException(400, "the picture's file is empty")
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
            width, height = opened.size
    except UnidentifiedImageError:
        raise HTTPException(415, f"this is no picture of a known kind ({', '.join(_FORMATS)})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise HTTPException(413, f"the picture has more than {limits.image_pixels:,} pixels; scale it down") from None
    except Exception:  # a head may be damaged in any way
        raise HTTPException(400, "the picture's head is damaged; save it again") from None
    if width * height > limits.image_pixels:
        most = f"{limits.image_pixels:,} pixels"
        raise HTTPException(413, f"the picture is {width} x {height}, more than {most}; scale it down")
    return read_image(content, max_pixels=limits.image_pixels)


def picture_bytes(file: Path) -> tuple[bytes, str]:
    """The bytes of an item's picture, and their media type.

    Raises:
        HTTPException: the file is gone (404) or no picture (415).
    """
    from PIL import Image

    try:
        if file.stat().st_size > _MOST_BYTES:
            raise HTTPException(413, "the item's picture is too large to be sent")
        content = file.read_bytes()
    except OSError:
        raise HTTPException(404, "the item's picture is not at hand") from None
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
            kind = opened.get_format_mimetype()
            opened.verify()
    except Exception:  # a decoder raises anything
        kind = None
    if kind is None:
        raise HTTPException(415, "the item's picture is damaged, or none")
    return content, kind
