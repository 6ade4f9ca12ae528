"""What text extractors share: items are texts, never bytes, and a manifest says what a feature was fitted on."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, ClassVar

from masln.errors import ConfigError, DataError
from masln.features.base import Extractor
from masln.features.words import words_of

__all__ = ["PooledTextExtractor", "TextExtractor", "fitted_on", "require_within"]


class TextExtractor(Extractor):
    """Base of text extractors; an item is a string, which may be empty."""

    modality: ClassVar[str] = "text"

    def _read(self, item: Any) -> str:
        if isinstance(item, bytes):
            raise DataError(f"{self.name}: a text is bytes ({item[:30]!r}); decode it first, for instance as UTF-8")
        if not isinstance(item, str):
            raise DataError(f"{self.name}: a text is {type(item).__name__} ({str(item)[:30]!r}); a string is needed")
        return item

    def unknown_words(self, text: str) -> list[str]:
        """The words of a text that its feature says nothing of, each once, in order; none by default.

        Of the words as ``words_of`` parts them. An extractor that reads parts of words knows every one.
        """
        known = self._vocabulary()
        return [] if known is None else [word for word in dict.fromkeys(words_of(text)) if word not in known]

    def knows_any(self, text: str) -> bool:
        """Whether the feature of a text says something of one of its words."""
        known = self._vocabulary()
        return known is None or any(word in known for word in words_of(text))

    def _vocabulary(self) -> Container[str] | None:
        """The words that are known; None where all are."""
        return None


class PooledTextExtractor(TextExtractor):
    """Base of those that make a vector a token and pool them; ``tokens`` leaves them apart.

    Subclasses have the hyper-parameters ``pooling``, one of ``poolings`` (the first stands for none), ``layout`` and
    ``max_tokens``.
    """

    layouts: ClassVar[tuple[str, ...]] = ("global", "tokens")
    poolings: ClassVar[tuple[str, ...]] = ("mean",)

    pooling: str
    max_tokens: int

    def check(self) -> None:
        """See the base."""
        super().check()
        if self.pooling not in self.poolings:
            raise ConfigError(f"pooling of {self.name} must be one of {', '.join(self.poolings)}, got {self.pooling!r}")
        if self.layout == "tokens" and self.pooling != self.poolings[0]:
            raise ConfigError(f"{self.name}: the tokens layout is not pooled; leave pooling out, or take layout global")


def fitted_on(
    extractor: Extractor, texts: Sequence[str], *, class_split: str | None = None, training: bool = False
) -> dict[str, Any]:
    """What a manifest records about the texts that a feature was fitted on.

    A vocabulary, topics or word vectors fitted on texts of unseen classes have seen those classes: with a class split
    the caller fits on the training pairs of seen classes alone, and says so here.

    Args:
        extractor: The fitted extractor.
        texts: What `fit` was given.
        class_split: The split's hash when `texts` are the training pairs of its seen classes; None for others.
        training: Without a class split: whether `texts` are those of the training pairs, of all classes.

    Returns:
        ``scope`` (`nothing`, `all texts`, `training pairs` or `training pairs of seen classes`), ``texts`` (how many)
        and ``class_split``.
    """
    if not extractor.learns:
        return {"scope": "nothing", "texts": 0, "class_split": None}
    scope = "training pairs" if training else "all texts"
    if class_split is not None:
        scope = "training pairs of seen classes"
    return {"scope": scope, "texts": len(texts), "class_split": class_split}


def require_within(extractor: Extractor, **bounds: tuple[float, float]) -> None:
    """Hold hyper-parameters against their ranges, both ends allowed.

    Raises:
        ConfigError: One is out of range; the message names it.
    """
    values: Mapping[str, Any] = extractor.get_params()
    for name, (low, high) in bounds.items():
        if not low <= values[name] <= high:
            reach = f"at least {low:g}" if high == float("inf") else f"{low:g} to {high:g}"
            raise ConfigError(f"hyper-parameter {name} of {extractor.name} must be {reach}, got {values[name]!r}")
