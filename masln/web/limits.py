"""What a client may ask for: sizes above which a request is refused."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from masln.errors import ConfigError
from masln.features import MAX_PIXELS

__all__ = ["Limits"]

_FRAMING = 1 << 16  # ours: bytes of a multipart body that are not the file
_JSON_BYTES_A_CHARACTER = 12  # a character beyond the first plane, written as two \uXXXX


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one server.

    Attributes:
        k: Items found by a query, and re-ranked.
        query_characters: Of a text.
        upload_bytes: Of a picture's file.
        image_pixels: Of a picture, told from its head before anything is decoded.
    """

    k: int = 200  # ours: ten screens
    query_characters: int = 2_000  # ours: MiniLM reads some 1,000
    upload_bytes: int = 16 << 20  # ours: a photo of a camera
    image_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 1:
                raise ConfigError(f"the limit {name} must be at least 1, got {value}")
        if self.image_pixels > MAX_PIXELS:
            raise ConfigError(f"the limit image_pixels is {MAX_PIXELS:,} at the most, got {self.image_pixels:,}")

    def to_dict(self) -> dict[str, int]:
        """A JSON-able form."""
        return asdict(self)

    def body_bytes(self, path: str) -> int:
        """How long the body of a request may be."""
        if path == "/api/search/image":
            return self.upload_bytes + _FRAMING
        return self.query_characters * _JSON_BYTES_A_CHARACTER + _FRAMING
