"""Ways in which files break, each drawn by a generator: what `benchmarks/damaged_inputs.py` does to sound ones."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

__all__ = ["ARTICLES", "PICTURES", "PLAIN_TEXTS", "TABLES", "encode", "flip_bits", "zero_bytes"]

Rng = np.random.Generator
#: From sound content to damaged content.
Damage = Callable[[bytes, Rng], bytes]


def encode(picture: Image.Image, form: str) -> bytes:
    """A picture in one of the forms that are damaged."""
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    kind, options = {
        "jpeg": ("JPEG", {"quality": 90}),
        "progressive jpeg": ("JPEG", {"quality": 85, "progressive": True, "exif": exif.tobytes()}),
        "png": ("PNG", {"exif": exif.tobytes()}),
        "webp": ("WEBP", {"quality": 85, "exif": exif.tobytes()}),
        "lossless webp": ("WEBP", {"lossless": True}),
    }[form]
    picture.save(stream, kind, **options)
    return stream.getvalue()


def flip_bits(count: int) -> Damage:
    """Flip so many bits anywhere."""

    def damage(content: bytes, rng: Rng) -> bytes:
        broken = bytearray(content)
        for at in rng.choice(len(content), count, replace=False):
            broken[at] ^= 1 << rng.integers(8)
        return bytes(broken)

    return damage


def zero_bytes(count: int) -> Damage:
    """Write zeros over so many bytes, as a bad sector or a transfer with gaps does."""

    def damage(content: bytes, rng: Rng) -> bytes:
        at = int(rng.integers(0, max(1, len(content) - count)))
        return content[:at] + bytes(min(count, len(content) - at)) + content[at + count :]

    return damage


def _truncated(content: bytes, rng: Rng) -> bytes:
    return content[: int(rng.integers(1, len(content)))]


def _truncated_and_filled(content: bytes, rng: Rng) -> bytes:
    """A download that was cut short, in a file that had its length already."""
    at = int(rng.integers(1, len(content)))
    return content[:at] + bytes(len(content) - at)


def _hole(content: bytes, rng: Rng) -> bytes:
    at = int(rng.integers(1, len(content) - 1))
    return content[:at] + content[at + int(rng.integers(1, 256)) :]


def _huge(content: bytes, rng: Rng) -> bytes:
    """Sizes that would take gigabytes, where each form keeps them; the checksum of a PNG put right."""
    side = int(rng.integers(12_000, 16_000))
    broken = bytearray(content)
    if content.startswith(b"\x89PNG"):
        broken[16:24] = struct.pack(">II", side, side)
        broken[29:33] = struct.pack(">I", zlib.crc32(broken[12:29]))
    elif content.startswith(b"\xff\xd8"):
        frame = re.search(rb"\xff[\xc0\xc2]\x00.\x08", content, re.DOTALL)
        assert frame is not None
        broken[frame.end() : frame.end() + 4] = struct.pack(">HH", side, side)
    elif content[12:16] == b"VP8 ":
        broken[26:30] = struct.pack("<HH", side, side)
    else:  # 14 bits each, less one, behind the signature of a lossless WebP
        packed = (side - 1) | (side - 1) << 14
        broken[21:25] = struct.pack("<I", packed | struct.unpack("<I", content[21:25])[0] & 0xF0000000)
    return bytes(broken)


#: Of pictures. `wrong suffix` damages the name alone, which `damaged_inputs` sees to.
PICTURES: dict[str, Damage] = {
    "truncated": _truncated,
    "truncated, filled with zeros": _truncated_and_filled,
    "one bit flipped": flip_bits(1),
    "eight bits flipped": flip_bits(8),
    "one byte zeroed": zero_bytes(1),
    "512 bytes zeroed": zero_bytes(512),
    "a hole": _hole,
    "empty": lambda content, rng: b"",
    "a text": lambda content, rng: b"<html><body>404: no such picture</body></html>\n" * int(rng.integers(1, 50)),
    "huge size": _huge,
    "wrong suffix": lambda content, rng: content,
}


def _inserted(*pieces: bytes) -> Damage:
    def damage(content: bytes, rng: Rng) -> bytes:
        at = int(rng.integers(1, len(content)))
        return content[:at] + pieces[int(rng.integers(len(pieces)))] + content[at:]

    return damage


def _recoded(encoding: str) -> Damage:
    """Another encoding, which shows only where a letter is not ASCII: one is put in where there is none."""

    def damage(content: bytes, rng: Rng) -> bytes:
        text = content.decode()
        if text.isascii():
            at = [found.end() for found in re.finditer(r"\b(?:are|is|in|on|of) ", text)]
            place = at[int(rng.integers(len(at)))] if at else len(text) // 2
            text = f"{text[:place]}größe {text[place:]}"
        return text.encode(encoding)

    return damage


def _in_a_line(change: Callable[[bytes, Rng], bytes]) -> Damage:
    """Change one line behind the first."""

    def damage(content: bytes, rng: Rng) -> bytes:
        lines = content.splitlines(keepends=True)
        at = int(rng.integers(1, len(lines)))
        return b"".join([*lines[:at], change(lines[at], rng), *lines[at + 1 :]])

    return damage


def _without_one(mark: bytes) -> Callable[[bytes, Rng], bytes]:
    def change(line: bytes, rng: Rng) -> bytes:
        at = [found.start() for found in re.finditer(re.escape(mark), line)][:3]  # captions may hold it further on
        place = at[int(rng.integers(len(at)))]
        return line[:place] + line[place + len(mark) :]

    return change


def _bytes_literal(content: bytes, rng: Rng) -> bytes:
    """A caption as Python 3 writes bytes; captions are sentences that end in a full stop."""
    found = list(re.finditer(rb"(?<=[,\t\"])[a-z][^,\t\"\n]* \.", content))
    one = found[int(rng.integers(len(found)))]
    return content[: one.start()] + b"b'" + one.group() + b"'" + content[one.end() :]


def _twice(pattern: bytes) -> Damage:
    """Say something twice, such as a key or a row."""

    def damage(content: bytes, rng: Rng) -> bytes:
        found = list(re.finditer(pattern, content))
        one = found[int(rng.integers(1, len(found)))]
        return content[: one.end()] + one.group() + content[one.end() :]

    return damage


_ANY_TEXT: dict[str, Damage] = {
    "latin-1": _recoded("latin-1"),
    "utf-16": _recoded("utf-16"),
    "utf-16 without a mark": _recoded("utf-16-le"),
    "a NUL byte": _inserted(b"\0"),
}
_ANY_TABLE = _ANY_TEXT | {
    "truncated": _truncated,
    "one bit flipped": flip_bits(1),
    "eight bits flipped": flip_bits(8),
    "512 bytes zeroed": zero_bytes(512),
    "bytes as text": _bytes_literal,
    "empty": lambda content, rng: b"",
}
_ANY_JSON = _ANY_TABLE | {
    "a key twice": _twice(rb'"class": "[^"]*", '),
    "a number that is none": lambda content, rng: content.replace(b'"class": "', b'"share": NaN, "class": "', 1),
    "half a surrogate pair": lambda content, rng: content.replace(b" .", b" \\ud83d .", 1),
    "a mark too many": _inserted(b",", b"}", b"]", b'"', b"{", b"["),
    "nested too deep": lambda content, rng: content.replace(
        b'"class": ', b'"deep": ' + b"[" * 100_000 + b', "class": ', 1
    ),
}


def _separated(mark: bytes) -> dict[str, Damage]:
    return _ANY_TABLE | {
        "a quote too many": _inserted(b'"'),
        "a cell missing": _in_a_line(_without_one(mark)),
        "a cell too many": _in_a_line(lambda line, rng: mark + line),
        "a row twice": _in_a_line(lambda line, rng: line + line),
        "other separators": lambda content, rng: content.replace(mark, b";"),
    }


#: Of tables, by their suffix.
TABLES: dict[str, dict[str, Damage]] = {
    "csv": _separated(b","),
    "tsv": _separated(b"\t"),
    "json": _ANY_JSON,
    "jsonl": _ANY_JSON,
}


def _doctype(content: bytes, rng: Rng) -> bytes:
    head, found, rest = content.partition(b"?>")
    return head + found + b'<!DOCTYPE document [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;">]>' + rest


#: Of XML articles.
ARTICLES: dict[str, Damage] = _ANY_TEXT | {
    "truncated": lambda content, rng: content.rstrip()[: int(rng.integers(1, len(content.rstrip())))],
    "an undeclared entity": _inserted(b"&nbsp;", b"&unknown;"),
    "a bare ampersand": _inserted(b" & "),
    "a control character": _inserted(b"\x01", b"\x1b"),
    "a tag too many": _inserted(b"</text>", b"<p>", b"</document>"),
    "entities of its own": _doctype,
    "empty": lambda content, rng: b"",
}
#: Of plain texts.
PLAIN_TEXTS: dict[str, Damage] = _ANY_TEXT | {
    "bytes as text": lambda content, rng: b"b'" + content.strip() + b"'",
    "empty": lambda content, rng: b" \n" * int(rng.integers(3)),
}
