"""Images in: files, PIL images and arrays, of any kind a collection holds, as upright RGB on white."""

from __future__ import annotations

import io
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from masln.errors import DataError, MaslnError, MissingExtraError
from masln.features.jpeg import check_jpeg

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["IMAGE_SUFFIXES", "MAX_PIXELS", "list_images", "read_image"]

#: Larger pictures are refused before they are decoded; 64 million pixels of RGB are 192 MB.  # ours
MAX_PIXELS = 64_000_000
# Some processors scale the shorter side to 224 px, which makes a bomb of a long thin picture.  # ours
_MAX_RATIO = 200
# What a collection may hold, and no more: opening an EPS, for one, would start Ghostscript.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"}
)
_ORIENTATION = 0x0112  # EXIF tag
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def list_images(folder: str | Path) -> list[Path]:
    """Image files of a folder and the folders in it, told by their suffix, sorted by path; hidden ones are left out.

    Raises:
        DataError: no such folder, or it holds no image.
    """
    top = Path(folder)
    if not top.is_dir():
        raise DataError(f"no such folder of images: {top}")
    found = [
        path
        for path in top.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(top).parts)
        and path.is_file()
    ]
    if not found:
        raise DataError(f"{top}: no image in it ({', '.join(sorted(IMAGE_SUFFIXES))}); check the path")
    return sorted(found, key=lambda path: path.relative_to(top).as_posix())


def read_image(item: Any, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read an image: rotated as its EXIF says, transparency on white, 16 bits scaled to 8, the first of several frames.

    A bit flipped within the pixels of a PNG is told by its checksums. JPEG and WebP have none: of a JPEG what breaks
    its code is told, of a WebP little; the rest takes checksums of one's own (``masln prepare --checksums``).

    Args:
        item: A path, the bytes of a file, a PIL image, or an array of uint8, (h, w), (h, w, 3) or, with alpha,
            (h, w, 4).
        max_pixels: Larger pictures are refused before they are decoded.

    Returns:
        A PIL image in RGB.

    Raises:
        DataError: missing, empty, damaged, too large or no image; the file is named.
        MissingExtraError: Pillow, or for a JPEG file simplejpeg, is not installed.
    """
    if find_spec("PIL") is None:
        raise MissingExtraError("pillow", "features", "reading images")
    from PIL import Image

    if isinstance(item, str | os.PathLike):
        return _read_file(Path(item), max_pixels)
    if isinstance(item, bytes):
        return _read_encoded(item, "the picture", max_pixels)
    if isinstance(item, np.ndarray):
        item = _of_array(item)
    if not isinstance(item, Image.Image):
        raise DataError(f"an image must be a path, a PIL image or an array, got {type(item).__name__}")
    name = getattr(item, "filename", "") or f"an image of mode {item.mode}"
    try:
        _check_size(item, name, max_pixels)
        return _upright_rgb(item)
    except DataError:
        raise
    except Exception as error:  # a lazily opened file may be as damaged as any
        raise _damaged(name, error) from error


def _read_file(path: Path, max_pixels: int) -> Image.Image:
    try:
        if not path.is_file():
            raise DataError(f"no such image file: {path}")
        if path.stat().st_size == 0:
            raise DataError(f"{path}: the file is empty; get it again or leave it out")
    except (OSError, ValueError) as error:  # the latter of a name with a null character in it
        raise _damaged(str(path), error) from error
    return _read_encoded(path, str(path), max_pixels)


def _read_encoded(source: Path | bytes, name: str, max_pixels: int) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    def opened_anew() -> Image.Image:
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_FORMATS)

    try:
        with opened_anew() as opened:
            _check_size(opened, name, max_pixels)
            if opened.format != "PNG":
                image = _upright_rgb(opened)
                if opened.format in ("JPEG", "MPO"):  # the latter is a JPEG with more of them behind it
                    check_jpeg(source, name)
                return image
            opened.verify()  # decoding passes over checksums, and leaves pixels wrong without a word
        with opened_anew() as opened:
            return _upright_rgb(opened)
    except MaslnError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name}: larger than {max_pixels:,} pixels; scale it down or leave it out") from error
    except UnidentifiedImageError as error:
        formats = ", ".join(_FORMATS)
        raise DataError(f"{name}: not an image of a known kind ({formats}), or its head is damaged") from error
    except Exception as error:  # a decoder raises OSError, SyntaxError, ValueError, struct.error, KeyError, ...
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> DataError:
    if isinstance(error, OSError) and error.errno is not None:  # the system's word, not a decoder's
        return DataError(f"{name[:200]}: cannot be read ({error.strerror}); mend that or leave it out")
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{name}: damaged or truncated image ({reason}); get it again or leave it out")


def _check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise DataError(f"{name}: {width} x {height}, larger than {max_pixels:,} pixels; scale it down or leave it out")
    if min(width, height) < 1 or max(width, height) > _MAX_RATIO * min(width, height):
        raise DataError(f"{name}: {width} x {height}, one side over {_MAX_RATIO} times the other; leave it out")


def _of_array(values: np.ndarray[Any, Any]) -> Image.Image:
    from PIL import Image

    good = values.ndim == 2 or (values.ndim == 3 and values.shape[2] in (3, 4))
    if values.dtype != np.uint8 or not good or values.size == 0:
        raise DataError(
            f"an image array must be uint8, (h, w), (h, w, 3) or (h, w, 4), got {values.dtype} {values.shape}"
        )
    return Image.fromarray(values)


def _upright_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    # ImageOps.exif_transpose would write the EXIF back, and fail on entries that cameras get wrong.
    turns = {
        2: (Image.Transpose.FLIP_LEFT_RIGHT,),
        3: (Image.Transpose.ROTATE_180,),
        4: (Image.Transpose.FLIP_TOP_BOTTOM,),
        5: (Image.Transpose.TRANSPOSE,),
        6: (Image.Transpose.ROTATE_270,),
        7: (Image.Transpose.TRANSVERSE,),
        8: (Image.Transpose.ROTATE_90,),
    }
    image.load()  # damage shows here; and a PNG may hold its EXIF behind the pixels
    orientation = image.getexif().get(_ORIENTATION)
    upright = _rgb(image)
    for turn in turns.get(orientation, ()) if isinstance(orientation, int) else ():
        upright = upright.transpose(turn)
    return upright


def _rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode in _SIXTEEN_BITS:  # Pillow would clip these at 255: a white picture
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise DataError(f"{getattr(image, 'filename', 'an image')}: 32-bit pixels; save it with 8 or 16 bits")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise DataError(f"{getattr(image, 'filename', 'an image')}: floating-point pixels; save it with 8 or 16 bits")
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        white = Image.new("RGBA", seen.size, "white")
        white.alpha_composite(seen)
        return white.convert("RGB")
    return image.convert("RGB")
