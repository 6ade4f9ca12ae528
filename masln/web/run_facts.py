"""What the page tells of the run behind a gallery: its protocol, figures and class split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masln.evaluation import Protocol
from masln.experiments import RunDirectory
from masln.experiments.directory import read_json

__all__ = ["RunFacts"]

_OF_CLASSES = {"mAP@all": "mAP"}
_OF_PAIRS = {"mAP@all": "mAP", "R@1": "R@1", "R@10": "R@10"}  # ours: of caption retrieval; metrics.json has all


@dataclass(frozen=True)
class RunFacts:
    """Read off a run's folder.

    Attributes:
        protocol: The line above its tables.
        figures: Rows of ``part``, ``measure``, ``i2t``, ``t2i`` and ``average``.
        class_split: Hash of the split.
        seen: Class name to whether it was trained on; validation classes are seen ones.
    """

    protocol: str
    figures: tuple[Mapping[str, Any], ...]
    class_split: str
    seen: Mapping[str, bool]

    @classmethod
    def read(cls, folder: str | Path) -> RunFacts:
        """Read them.

        Raises:
            CheckpointError: a file is missing or damaged.
        """
        own = RunDirectory(Path(folder))
        protocol = Protocol.from_dict(
            {key: value for key, value in read_json(own.path / "protocol.json").items() if key != "hash"}
        )
        split = own.read_split()
        parts = read_json(own.path / "metrics.json")["parts"]
        measures = _OF_PAIRS if protocol.relevance == "instance" else _OF_CLASSES
        rows = [
            {"part": part} | {"measure": shown} | {way: _figure(parts[part].get(way), key) for way in _WAYS}
            for part in parts
            for shown, key in measures.items()
        ]
        kept = tuple(row for row in rows if any(row[way] is not None for way in _WAYS))
        names = split.class_names
        seen = {names[c]: True for c in split.seen} | {names[c]: False for c in split.unseen}
        return cls(protocol.describe(), kept, split.hash, seen)


_WAYS = ("i2t", "t2i", "average")


def _figure(direction: Mapping[str, Any] | None, key: str) -> float | None:
    values = (direction or {}).get("metrics", direction or {})
    value = values.get(key)
    return None if value is None else float(value)
