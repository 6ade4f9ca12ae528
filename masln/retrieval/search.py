"""Search: pictures or texts asked, items of either modality found, re-ranked by a joint score where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.data import bundle_hash, load_dataset
from masln.errors import ConfigError, DataError
from masln.evaluation.rerank import rerank_items
from masln.features import FeatureBatch
from masln.models import JointScorer
from masln.retrieval.encoder import CodeExtractor, Encoder, StoredFeatures
from masln.retrieval.gallery import Gallery
from masln.retrieval.items import Item
from masln.retrieval.segment import Segment

__all__ = ["Answer", "Hit", "search"]

_AT_ONCE = 64  # ours: queries whose features are in memory together


@dataclass(frozen=True)
class Hit:
    """An item that was found.

    Attributes:
        rank: From 1.
        score: Similarity of the codes, or the joint score where it was re-ranked; higher is better.
        item: What it is.
        picture: The file of its picture; None where nobody knows the folder.
        reranked: Whether the joint score put it here.
    """

    rank: int
    score: float
    item: Item
    picture: Path | None = None
    reranked: bool = False

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return {"rank": self.rank, "score": self.score, "reranked": self.reranked, **self.item.to_dict()}


@dataclass(frozen=True)
class Answer:
    """What a query found.

    Attributes:
        query: The text, or the picture's path.
        modality: Of the query.
        hits: The best first.
        unknown_words: Of a text, the words that its feature says nothing of.
    """

    query: str
    modality: str
    hits: tuple[Hit, ...]
    unknown_words: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        value: dict[str, Any] = {"query": self.query, "modality": self.modality}
        if self.unknown_words:
            value["unknown_words"] = list(self.unknown_words)
        return value | {"hits": [hit.to_dict() for hit in self.hits]}


def search(
    gallery: Gallery,
    encoder: Encoder,
    queries: Sequence[str],
    *,
    modality: str,
    find: str,
    k: int = 10,
    classes: Sequence[str] = (),
    rerank: int = 0,
) -> list[Answer]:
    """Search a gallery with raw queries.

    Args:
        gallery: Where.
        encoder: Of the gallery's model.
        queries: Texts, or paths of pictures.
        modality: Of the queries.
        find: Modality of the items to find.
        k: How many of each.
        classes: Find items of these alone.
        rerank: So many of the first are put in the order of the joint score, at least k; 0 leaves them in that of the
            codes.

    Raises:
        DataError: the model is another one, a query cannot be read, no word of a text is known, or there is nothing to
            find.
        ConfigError: ``rerank`` where the model has no joint score, or queries and items are of one modality.
    """
    gallery.require(encoder.facts, what="the query")
    gallery.side(find)
    if not queries:
        raise DataError("no query; give a text or a picture")
    if rerank:
        _check_rerank(encoder, modality, find)
    unknown = [_unknown_words(encoder, text) for text in queries] if modality == "text" else [()] * len(queries)
    extractor = encoder.of_raw(modality)
    answers: list[Answer] = []
    for start in range(0, len(queries), _AT_ONCE):
        asked = queries[start : start + _AT_ONCE]
        features = _features(extractor, asked)
        rows, scores = gallery.search(
            find, encoder.codes(modality, features), max(k, rerank) if rerank else k, classes=classes
        )
        for number, query in enumerate(asked):
            there = rows[number] >= 0
            own, best = rows[number][there], scores[number][there].astype(np.float64)
            if rerank and len(own):
                own, best = _reranked(gallery, encoder, features, number, modality, find, own, best)
            hits = _hits(gallery, find, own[:k], best[:k], reranked=bool(rerank))
            answers.append(Answer(query, modality, hits, unknown[start + number]))
    return answers


def _check_rerank(encoder: Encoder, modality: str, find: str) -> None:
    if not isinstance(encoder.method, JointScorer):
        raise ConfigError(f"{encoder.facts.method} has no joint score to re-rank by; leave --rerank out")
    if modality == find:
        raise ConfigError(f"a joint score is of a picture and a text, not of two {find}s; leave --rerank out")


def _unknown_words(encoder: Encoder, text: str) -> tuple[str, ...]:
    extractor = encoder.text_extractor()
    unknown = extractor.unknown_words(text)
    if not extractor.knows_any(text):
        named = f"no word of it is known to {extractor.name}: {', '.join(unknown)}" if unknown else "it has no word"
        raise DataError(f"nothing can be found by {text[:80]!r}: {named}; ask in other words")
    return tuple(unknown)


def _features(extractor: CodeExtractor, queries: Sequence[str]) -> FeatureBatch:
    """One by one where they are not encoded in one go anyway: a query's answer does not depend on its company."""
    one = [extractor.features([(query,) if extractor.modality == "text" else query]) for query in queries]
    masks = [own.mask for own in one if own.mask is not None]
    return FeatureBatch(np.concatenate([own.values for own in one]), np.concatenate(masks) if masks else None)


def _reranked(
    gallery: Gallery,
    encoder: Encoder,
    asked: FeatureBatch,
    number: int,
    modality: str,
    find: str,
    rows: NDArray[np.int64],
    scores: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    method = encoder.method
    assert isinstance(method, JointScorer)
    query = FeatureBatch(asked.values[[number]], None if asked.mask is None else asked.mask[[number]])
    found = _features_of_items(gallery, encoder, find, rows)
    image, text = (query, found) if modality == "image" else (found, query)
    one, many = np.zeros(len(rows), dtype=np.int64), np.arange(len(rows))
    joint = method.score(
        image.values,
        text.values,
        text.mask,
        image_rows=one if modality == "image" else many,
        text_rows=many if modality == "image" else one,
    )
    order = rerank_items(np.arange(len(rows))[None], joint[None])[0]
    return rows[order], joint[order].astype(np.float64)


def _features_of_items(gallery: Gallery, encoder: Encoder, modality: str, rows: NDArray[np.int64]) -> FeatureBatch:
    """Of some rows of a gallery: as stored in the bundle that they came from, or anew from text or picture."""
    side = gallery.side(modality)
    parts = []
    for row in rows.tolist():
        segment, own = side.place(row)
        if "bundle" in segment.facts:
            stored = _stored(segment, modality)
            parts.append(stored.extract_read([own]))
            continue
        item = segment.items.take([own])[0]
        raw: Any = (item.text,)
        if modality == "image":
            raw = _picture(segment, item)
        if raw is None or raw == ("",):
            raise DataError(
                f"{modality} {item.id!r} cannot be scored again: its raw {modality} is not at hand; leave --rerank out"
            )
        parts.append(encoder.of_raw(modality).features([raw]))
    masks = [part.mask for part in parts if part.mask is not None]
    return FeatureBatch(np.concatenate([part.values for part in parts]), np.concatenate(masks) if masks else None)


_BUNDLES: dict[tuple[str, str], StoredFeatures] = {}


def _stored(segment: Segment, modality: str) -> StoredFeatures:
    folder = str(segment.facts["bundle"])
    if (folder, modality) not in _BUNDLES:
        dataset = load_dataset(folder)
        if bundle_hash(dataset) != segment.facts["bundle_hash"]:
            raise DataError(f"{folder} is another bundle than the one whose items are in the gallery; put it back")
        _BUNDLES[folder, modality] = StoredFeatures(dataset=dataset, modality=modality)
    return _BUNDLES[folder, modality]


def _picture(segment: Segment, item: Item) -> Path | None:
    folder = segment.facts.get("images")
    return Path(folder) / item.image if isinstance(folder, str) and item.image else None


def _hits(
    gallery: Gallery, modality: str, rows: NDArray[np.int64], scores: NDArray[np.float64], *, reranked: bool
) -> tuple[Hit, ...]:
    side = gallery.side(modality)
    hits = []
    for rank, (row, score) in enumerate(zip(rows.tolist(), scores.tolist(), strict=True), start=1):
        segment, own = side.place(row)
        item = segment.items.take([own])[0]
        hits.append(Hit(rank, score, item, _picture(segment, item), reranked))
    return tuple(hits)
