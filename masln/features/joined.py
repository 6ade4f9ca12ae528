"""Several text extractors side by side as one, such as a sentence encoder beside word vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from masln.errors import ConfigError
from masln.features.base import FeatureBatch, extractor_names, make_extractor
from masln.features.text_extractor import TextExtractor

__all__ = ["JoinedText"]


class JoinedText(TextExtractor):
    """The features of several text extractors next to each other, those of each scaled to length 1.

    A feature of zeros, which word vectors make of a text without a known word, stays one.

    Args:
        parts: Names of text extractors with a plus between them, each with its own defaults; none that learns.
    """

    name: ClassVar[str] = "joined"
    summary: ClassVar[str] = "several text extractors side by side, such as the packaged MiniLM and GloVe"
    reference: ClassVar[str] = "ours; the texts of the bundled emoji set"

    def __init__(self, *, parts: str = "sentence+word2vec") -> None:
        self.parts = parts

    @property
    def dim(self) -> int:
        """The widths of all parts together."""
        return sum(part.dim for part in self._parts())

    def check(self) -> None:
        """See the base."""
        super().check()
        for part in self._parts():
            part.check()

    def unknown_words(self, text: str) -> list[str]:
        """Words that no part says anything of."""
        first, *others = (part.unknown_words(text) for part in self._parts())
        return [word for word in first if all(word in own for own in others)]

    def knows_any(self, text: str) -> bool:
        """Whether a part says something of one of its words."""
        return any(part.knows_any(text) for part in self._parts())

    def _parts(self) -> tuple[TextExtractor, ...]:
        """The extractors, made once."""
        kept: tuple[str, tuple[TextExtractor, ...]] | None = self.__dict__.get("_kept")
        if kept is None or kept[0] != self.parts:
            kept = self._kept = (self.parts, tuple(map(_part, str(self.parts).split("+"))))
        return kept[1]

    def __getstate__(self) -> dict[str, Any]:
        """Copies make the parts for themselves, as clones do."""
        return {name: value for name, value in self.__dict__.items() if name != "_kept"}

    def _extract(self, items: Sequence[str]) -> FeatureBatch:
        values = [part.extract_read(items).values for part in self._parts()]
        lengths = [np.linalg.norm(own, axis=1, keepdims=True) for own in values]
        scaled = [own / np.where(length > 0, length, 1) for own, length in zip(values, lengths, strict=True)]
        return FeatureBatch(np.concatenate(scaled, axis=1))

    def _identity(self) -> dict[str, Any]:
        return {"parts": [part.hash for part in self._parts()]}


def _part(name: str) -> TextExtractor:
    made = make_extractor(name)
    if not isinstance(made, TextExtractor) or made.learns or isinstance(made, JoinedText):
        known = [own for own in extractor_names("text") if own != JoinedText.name and not make_extractor(own).learns]
        raise ConfigError(f"joined takes text extractors that learn nothing ({', '.join(known)}), not {name!r}")
    return made
