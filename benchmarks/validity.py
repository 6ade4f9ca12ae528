"""Whether a file is whole and valid by the rules of its kind, as judged by other code than masln's."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import simplejpeg
from PIL import Image

__all__ = ["is_valid"]


def is_valid(file: Path) -> bool:
    """Whether nothing in a file tells of damage."""
    content = file.read_bytes()
    judge = {".csv": _separated, ".tsv": _separated, ".json": _json, ".jsonl": _json, ".xml": _xml, ".txt": _text}
    try:
        return judge.get(file.suffix, _picture)(content, file.suffix)
    except Exception:  # whatever the parser in question raises
        return False


def _picture(content: bytes, suffix: str) -> bool:
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()
        kind = opened.format
    if kind == "JPEG":  # every warning of libjpeg an error
        simplejpeg.decode_jpeg(content)
        return True
    return kind == "WEBP" and struct.unpack("<I", content[4:8])[0] + 8 == len(content)  # a PNG has checksums


def _text(content: bytes, suffix: str) -> bool:
    text = content.decode("utf-8-sig")
    return "\0" not in text and bool(text.strip())


def _separated(content: bytes, suffix: str) -> bool:
    frame = pd.read_csv(io.BytesIO(content), sep="\t" if suffix == ".tsv" else ",", dtype=str, keep_default_na=False)
    whole = content.endswith(b"\n") and not np.any(frame.isna()) and not isinstance(frame.index, pd.MultiIndex)
    return _text(content, suffix) and whole and isinstance(frame.index, pd.RangeIndex) and len(frame) > 0


def _json(content: bytes, suffix: str) -> bool:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a key twice")
        return dict(pairs)

    text = content.decode("utf-8")
    for part in text.splitlines() if suffix == ".jsonl" else [text]:
        json.loads(part, object_pairs_hook=once, parse_constant=float.fromhex)
        part.encode()
    return True


def _xml(content: bytes, suffix: str) -> bool:
    ElementTree.fromstring(content.decode("utf-8"))
    return True
