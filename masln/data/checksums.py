"""SHA-256 sums of files in the format of ``sha256sum``: read from anywhere, kept as ``SHA256SUMS`` beside downloads."""

from __future__ import annotations

import re
from pathlib import Path

from masln.errors import DataError
from masln.saving import write_atomically

__all__ = ["SHA256SUMS", "parse_checksums", "read_checksums", "record_checksum"]

SHA256SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](\S.*)")


def parse_checksums(file: str | Path) -> dict[str, str]:
    """Path to sha256 in lower-case hexadecimal, one a line: 64 digits, two spaces, a path as written.

    Raises:
        DataError: the file cannot be read, has a line of another form, or gives a path two sums.
    """
    try:
        lines = Path(file).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{file}: cannot be read ({reason}); make it anew with sha256sum") from error
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line)
        if not found:
            raise DataError(f"{file}:{number}: {line[:40]!r} is no line of sha256sum; it wants 'SUM  PATH'")
        path, total = found[2], found[1].lower()
        if sums.setdefault(path, total) != total:
            raise DataError(f"{file}:{number}: another sum of {path} than in a line before; keep the right one")
    return sums


def read_checksums(folder: str | Path) -> dict[str, str]:
    """What ``SHA256SUMS`` of a folder says; empty where there is none.

    Raises:
        DataError: see ``parse_checksums``.
    """
    path = Path(folder) / SHA256SUMS
    return parse_checksums(path) if path.exists() else {}


def record_checksum(folder: str | Path, name: str, sha256: str) -> None:
    """Add or replace the line of one file; the record is written whole or not at all.

    Raises:
        DataError: the record cannot be read.
        CheckpointError: the disk refuses.
    """
    sums = read_checksums(folder)
    if sums.get(name) == sha256:
        return
    sums[name] = sha256
    lines = "".join(f"{sums[key]}  {key}\n" for key in sorted(sums))
    write_atomically(Path(folder) / SHA256SUMS, lines.encode())
