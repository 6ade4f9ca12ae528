"""Search: pictures, texts or a class asked, items of either modality found, re-ranked where there is a joint score."""

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
from masln.retrieval.encoder import Encoder, StoredFeatures
from masln.retrieval.gallery import Gallery
from masln.retrieval.items import Item
from masln.retrieval.segment import Segment
from masln.retrieval.side import Side
from masln.retrieval.vectors import stored_codes

__all__ = ["Answer", "Hit", "picture_of", "search", "search_by_item", "search_class"]

_AT_ONCE = 64  # ours: queries whose features are in memory together


@dataclass(frozen=True)
class Hit:
    """An item that was found.

    Attributes:
        rank: From 1.
        score: Similarity of the codes, or the joint score where it was re-ranked; higher is better.
        item: What it is.
        picture: The file of its picture; None where it is not at hand.
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
        query: The text, the picture's path, the id of the item that was asked with, or the name of the class.
        modality: Of the query: ``image``, ``text`` or ``class``.
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
    queries: Sequence[Any],
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
        queries: Texts; or pictures, as paths or whatever ``read_image`` takes.
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
    reranker = _Reranker(gallery, encoder, modality, find) if rerank else None
    unknown = [_unknown_words(encoder, text) for text in queries] if modality == "text" else [()] * len(queries)
    extractor = encoder.of_raw(modality)
    answers: list[Answer] = []
    for start in range(0, len(queries), _AT_ONCE):
        asked = queries[start : start + _AT_ONCE]
        # One by one, so that an answer does not depend on the other queries.
        features = [extractor.features([(query,) if modality == "text" else query]) for query in asked]
        codes = np.concatenate([encoder.codes(modality, own) for own in features])
        rows, scores = gallery.search(find, codes, max(k, rerank), classes=classes)
        for query, words, own_features, own, best in zip(
            asked, unknown[start : start + _AT_ONCE], features, rows, scores.astype(np.float64), strict=True
        ):
            own, best = own[own >= 0], best[own >= 0]
            if reranker is not None:
                own, best = reranker.ordered(own_features, own)
            hits = _hits(gallery, find, own[:k], best[:k], reranked=reranker is not None)
            answers.append(Answer(str(query), modality, hits, words))
    return answers


def search_class(
    gallery: Gallery,
    encoder: Encoder,
    name: str,
    *,
    find: str = "image",
    k: int = 10,
    classes: Sequence[str] = (),
    vector: NDArray[Any] | None = None,
) -> Answer:
    """Rank items by the code of a class, which need not have been there when the model was trained.

    Args:
        gallery: Where.
        encoder: Of the gallery's model.
        name: Of the class; one of the run's data stands for the embedding that it has there.
        find: Modality of the items to find.
        k: How many.
        classes: Find items of these alone.
        vector: (d_class,) the embedding of the class; by default that of its name.

    Raises:
        DataError: the model is another one, the name has no embedding, or there is nothing to find.
        ConfigError: the method has no codes for classes.
    """
    gallery.require(encoder.facts, what="the query")
    gallery.side(find)
    code = encoder.class_code(name, vector)
    rows, scores = gallery.search(find, code, k, classes=classes)
    there = rows[0] >= 0
    return Answer(name, "class", _hits(gallery, find, rows[0][there], scores[0][there].astype(np.float64)))


def search_by_item(
    gallery: Gallery,
    item: str,
    *,
    modality: str,
    find: str,
    k: int = 10,
    classes: Sequence[str] = (),
    rerank: int = 0,
    encoder: Encoder | None = None,
) -> Answer:
    """Search a gallery with one of its own items, whose code is there: no extractor is asked.

    Args:
        gallery: Where.
        item: Id of the item; found itself, and first, where its own modality is searched.
        modality: Of the item.
        find: Modality of the items to find.
        k: How many.
        classes: Find items of these alone.
        rerank: As of ``search``.
        encoder: Of the gallery's model; for ``rerank`` alone.

    Raises:
        DataError: no such item, or there is nothing to find.
        ConfigError: as of ``search``.
    """
    side = gallery.side(modality)
    gallery.side(find)
    row = side.rows_of([item]).get(item)
    if row is None:
        raise DataError(f"{gallery.folder} has no {modality} {item!r}")
    reranker = None
    if rerank:
        if encoder is None:
            raise ConfigError("a joint score needs the run's model; leave --rerank out")
        gallery.require(encoder.facts, what="the query")
        reranker = _Reranker(gallery, encoder, modality, find)
    segment, own = side.place(row)
    code = stored_codes(segment.part.vectors[own : own + 1], gallery.model.similarity)
    [rows], [scores] = gallery.search(find, code, max(k, rerank), classes=classes)
    rows, best = rows[rows >= 0], scores[rows >= 0].astype(np.float64)
    if reranker is not None:
        features = _ItemFeatures(side, reranker.encoder, modality).of(row)
        rows, best = reranker.ordered(features, rows)
    return Answer(item, modality, _hits(gallery, find, rows[:k], best[:k], reranked=reranker is not None))


def _unknown_words(encoder: Encoder, text: str) -> tuple[str, ...]:
    extractor = encoder.text_extractor()
    unknown = extractor.unknown_words(text)
    if not extractor.knows_any(text):
        named = f"no word of it is known to {extractor.name}: {', '.join(unknown)}" if unknown else "it has no word"
        raise DataError(f"nothing can be found by {text[:80]!r}: {named}; ask in other words")
    return tuple(unknown)


class _Reranker:
    """The joint scores of queries with what their codes found."""

    def __init__(self, gallery: Gallery, encoder: Encoder, modality: str, find: str) -> None:
        if not isinstance(encoder.method, JointScorer):
            raise ConfigError(f"{encoder.facts.method} has no joint score to re-rank by; leave --rerank out")
        if modality == find:
            raise ConfigError(f"a joint score is of a picture and a text, not of two {find}s; leave --rerank out")
        self.encoder, self.method, self.find = encoder, encoder.method, find
        self.items = _ItemFeatures(gallery.side(find), encoder, find)

    def ordered(self, query: FeatureBatch, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows by their joint score with a query, equal ones as they came, and the scores."""
        found = _joined([self.items.of(row) for row in rows.tolist()])
        image, text = (found, query) if self.find == "image" else (query, found)
        one, many = np.zeros(len(rows), dtype=np.int64), np.arange(len(rows))
        image_rows, text_rows = (many, one) if self.find == "image" else (one, many)
        joint = self.method.score(image.values, text.values, text.mask, image_rows=image_rows, text_rows=text_rows)
        order = rerank_items(np.arange(len(rows))[None], joint[None])[0]
        return rows[order], joint[order].astype(np.float64)


class _ItemFeatures:
    """Features of a gallery's items; a bundle is opened once."""

    def __init__(self, side: Side, encoder: Encoder, modality: str) -> None:
        self.side, self.encoder, self.modality = side, encoder, modality
        self.bundles: dict[str, StoredFeatures] = {}

    def of(self, row: int) -> FeatureBatch:
        """As stored in the bundle that the item came from, or anew from its text or picture."""
        segment, own = self.side.place(row)
        if "bundle" in segment.facts:
            return self._stored(segment).extract_read([own])
        item = segment.items.take([own])[0]
        raw: Any = picture_of(segment, item) if self.modality == "image" else (item.text,) * bool(item.text)
        if not raw:
            kind = self.modality
            raise DataError(
                f"{kind} {item.id!r} cannot be re-ranked, its raw {kind} is not at hand; leave --rerank out"
            )
        return self.encoder.of_raw(self.modality).features([raw])

    def _stored(self, segment: Segment) -> StoredFeatures:
        folder = str(segment.facts["bundle"])
        if folder not in self.bundles:
            dataset = load_dataset(folder)
            if bundle_hash(dataset) != segment.facts["bundle_hash"]:
                raise DataError(f"{folder} is another bundle than the one whose items are in the gallery; put it back")
            self.bundles[folder] = StoredFeatures(dataset=dataset, modality=self.modality)
        return self.bundles[folder]


def _joined(parts: Sequence[FeatureBatch]) -> FeatureBatch:
    masks = [part.mask for part in parts if part.mask is not None]
    return FeatureBatch(np.concatenate([part.values for part in parts]), np.concatenate(masks) if masks else None)


def picture_of(segment: Segment, item: Item) -> Path | None:
    """The file of an item's picture; None where it is not at hand."""
    folder = segment.facts.get("images")
    file = Path(folder) / item.image if isinstance(folder, str) and item.image else None
    return file if file is not None and file.is_file() else None


def _hits(
    gallery: Gallery, modality: str, rows: NDArray[np.int64], scores: NDArray[np.float64], *, reranked: bool = False
) -> tuple[Hit, ...]:
    side = gallery.side(modality)
    hits = []
    for rank, (row, score) in enumerate(zip(rows.tolist(), scores.tolist(), strict=True), start=1):
        segment, own = side.place(row)
        item = segment.items.take([own])[0]
        hits.append(Hit(rank, score, item, picture_of(segment, item), reranked))
    return tuple(hits)
