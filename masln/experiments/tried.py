"""The candidates that a run has tried, on disk: a run that goes on fits none of them again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from masln.training import Runtime, write_atomically

__all__ = ["TriedCandidates"]


class TriedCandidates:
    """What each candidate of one selection came to, in the order tried, beside the checkpoint of the final fit.

    Args:
        runtime: Whose checkpoint says where; without one nothing is kept. With ``resume`` what is there is read.
        fingerprint: Of all that decides the scores beyond the searched values; what was kept under another one, or
            cannot be read, is tried again.
    """

    def __init__(self, runtime: Runtime, fingerprint: str) -> None:
        checkpoint = runtime.checkpoint
        self._path = checkpoint and checkpoint.with_name(f"{checkpoint.stem}-candidates.json")
        self._fingerprint = fingerprint
        self._known: list[dict[str, Any]] = []
        if runtime.resume and self._path and self._path.is_file():
            try:
                saved = json.loads(self._path.read_text(encoding="utf-8"))
                self._known = saved["candidates"] if saved["fingerprint"] == fingerprint else []
            except (OSError, ValueError, KeyError, TypeError):
                self._known = []
        self.all: list[dict[str, Any]] = []

    def found(self, searched: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the next candidate came to when it was tried before; None where it was not."""
        number = len(self.all)
        if number < len(self._known):
            values = json.loads(json.dumps(dict(searched)))  # tuples as they come back
            known = self._known[number]
            if {key: known.get(key) for key in values} == values:
                return {key: value for key, value in known.items() if key not in values}
        return None

    def add(self, candidate: dict[str, Any]) -> None:
        """Keep a candidate: its searched values and what it came to."""
        self.all.append(candidate)
        if self._path and len(self.all) > len(self._known):
            self._known = list(self.all)
            value = {"fingerprint": self._fingerprint, "candidates": self.all}
            write_atomically(self._path, (json.dumps(value) + "\n").encode())
