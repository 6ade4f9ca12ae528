"""Checksums of one's own: damage to a file whose format cannot tell, found before anything is made of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from masln.data import file_sha256
from masln.data.checksums import parse_checksums
from masln.errors import DataError
from masln.progress import progress_bar

__all__ = ["Checksums"]


class Checksums:
    """SHA-256 sums as ``sha256sum`` writes them, one a line: 64 hexadecimal digits, two spaces, a path.

    Args:
        file: Its paths count from the folder it lies in, as for ``sha256sum --check`` there.

    Raises:
        DataError: the file is missing, a line is none, or gives a path another sum than a line before.
    """

    def __init__(self, file: str | Path) -> None:
        self.file = Path(file)
        self._sums: dict[str, str] = {}
        for name, total in parse_checksums(self.file).items():
            if self._sums.setdefault(self._place(self.file.parent / name), total) != total:
                raise DataError(f"{file}: another sum of {name} than of the same file before; keep the right one")

    def problem(self, path: Path) -> str:
        """What is wrong with a file: nothing (empty), that it is not listed, or that it has another sum."""
        expected = self._sums.get(self._place(path))
        if expected is None:
            return f"{path}: not in {self.file}; add it by sha256sum, or leave --checksums out"
        try:
            if file_sha256(path) == expected:
                return ""
        except OSError as error:
            return f"{path}: cannot be read ({error.strerror or error})"
        return f"{path}: its SHA-256 is not the one in {self.file}: damaged or changed; get it again"

    def problems(self, folder: Path, names: Iterable[str], *, progress: bool = False) -> dict[str, str]:
        """What is wrong with files, by their path below ``folder``; sound ones are left out."""
        listed = list(names)
        found: dict[str, str] = {}
        with progress_bar("checksums", len(listed), show=progress) as advance:
            for name in listed:
                if reason := self.problem(folder / name):
                    found[name] = reason
                advance()
        return found

    @staticmethod
    def _place(path: Path) -> str:
        return os.path.normpath(path.absolute())
