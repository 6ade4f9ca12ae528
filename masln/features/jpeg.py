"""Damage within a JPEG that Pillow passes over: what libjpeg only warns of, as an error."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from masln.errors import DataError, MissingExtraError

__all__ = ["check_jpeg"]

# Of libjpeg's warnings those that speak of the pixels; an odd version number in the head, for one, does them no harm.
_DAMAGE = ("Corrupt JPEG data", "Premature end of JPEG file")


def check_jpeg(source: Path | bytes, name: str) -> None:
    """Refuse a JPEG in whose pixels something is missing, left over or no code at all.

    A JPEG holds no checksum. Of single flipped bits 15% show in a photo of 176 px, the others give another picture that
    is as valid as the first; of sectors of 512 bytes overwritten by zeros 84%. Pillow tells of 1% and of none
    (`benchmarks/damaged_inputs.py`). Checksums of one's own tell of all.

    Args:
        source: The file or its bytes, which Pillow takes for a JPEG.
        name: What it is called in messages.

    Raises:
        DataError: libjpeg warns of its data.
        MissingExtraError: simplejpeg is not installed.
    """
    if find_spec("simplejpeg") is None:
        raise MissingExtraError("simplejpeg", "features", "reading JPEG files")
    import simplejpeg  # type: ignore[import-untyped,import-not-found,unused-ignore]

    content = source if isinstance(source, bytes) else source.read_bytes()
    try:
        # All of the data is read, and as few pixels made of it as there can be: half of the time of decoding it.
        simplejpeg.decode_jpeg(content, colorspace="GRAY", fastdct=True, fastupsample=True, min_factor=8)
    except ValueError as error:
        if (warning := str(error)).startswith(_DAMAGE):
            raise DataError(f"{name}: damaged or truncated image ({warning}); get it again or leave it out") from error
