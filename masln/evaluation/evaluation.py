"""An evaluation: codes of a dataset scored under one protocol, in both directions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from masln.errors import DataError, ProtocolError, unknown_name
from masln.evaluation.normalize import block_normalize
from masln.evaluation.precision import check_relevant
from masln.evaluation.protocol import Protocol
from masln.evaluation.rerank import Reranker, top_items
from masln.evaluation.result import DirectionResult, score_direction
from masln.evaluation.scores import as_codes
from masln.evaluation.settings import PartRows, SeenUnseen, part_rows

DIRECTIONS = ("i2t", "t2i")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All figures of one set of codes under one protocol.

    Attributes:
        protocol: The rules.
        parts: part name -> direction (``i2t``, ``t2i``) -> result.
    """

    protocol: Protocol
    parts: Mapping[str, Mapping[str, DirectionResult]]

    def map(self, part: str, direction: str = "average") -> float:
        """mAP@all of a part; ``harmonic`` is the harmonic mean of seen and unseen (generalized setting)."""
        return self.metric("mAP", part, direction)

    def metric(self, name: str, part: str, direction: str = "average") -> float:
        """Look up one figure.

        Args:
            name: A key of `DirectionResult.metrics`, such as ``mAP`` or ``precision@10``.
            part: ``all``, ``unseen``, ``seen`` or ``harmonic``.
            direction: ``i2t``, ``t2i`` or their ``average``.

        Raises:
            ProtocolError: The part, direction or metric was not scored; the message names the nearest known one.
        """
        if part == "harmonic" and self.has_harmonic:
            unseen, seen = (self.metric(name, p, direction) for p in ("unseen", "seen"))
            return 2.0 * unseen * seen / (unseen + seen) if unseen + seen > 0 else 0.0
        if part not in self.parts:
            known = [*self.parts, *(["harmonic"] if self.has_harmonic else [])]
            raise ProtocolError(unknown_name("scored part", part, known))
        if direction == "average":
            return float(np.mean([self.metric(name, part, d) for d in DIRECTIONS]))
        if direction not in DIRECTIONS:
            raise ProtocolError(unknown_name("direction", direction, (*DIRECTIONS, "average")))
        metrics = self.parts[part][direction].metrics
        if name not in metrics:
            raise ProtocolError(unknown_name("metric", name, metrics))
        return metrics[name]

    @property
    def has_harmonic(self) -> bool:
        """Whether the harmonic mean of seen and unseen is defined here."""
        return self.protocol.setting == "generalized" and {"unseen", "seen"} <= set(self.parts)

    def average_precision(self, part: str) -> NDArray[np.float64]:
        """(m, 2) AP@all of each query of a part in i2t and t2i, for intervals and tests over queries.

        Raises:
            ProtocolError: pictures have several captions, so that the directions have different queries.
        """
        results = self.parts[part]
        if len({len(results[direction].rows) for direction in DIRECTIONS}) > 1:
            raise ProtocolError(f"part {part!r}: there are more captions than pictures; take each direction by itself")
        return np.stack([results[direction].average_precision for direction in DIRECTIONS], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Give the figures (not the per-query arrays) as JSON values; a figure without a query is null."""
        parts: dict[str, Any] = {}
        for part, results in self.parts.items():
            parts[part] = {direction: result.to_dict() for direction, result in results.items()}
            names = results["i2t"].metrics
            parts[part]["average"] = {"metrics": {n: _json(self.metric(n, part)) for n in names}}
        if self.has_harmonic:
            parts["harmonic"] = {d: {"mAP": _json(self.map("harmonic", d))} for d in (*DIRECTIONS, "average")}
        return {"protocol": {**self.protocol.to_dict(), "hash": self.protocol.hash}, "parts": parts}


def evaluate(
    image_codes: ArrayLike,
    text_codes: ArrayLike,
    labels: ArrayLike,
    split: ArrayLike,
    *,
    class_split: SeenUnseen | None,
    protocol: Protocol,
    parts: Sequence[str] | None = None,
    instances: ArrayLike | None = None,
    label_sets: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    reranker: Reranker | None = None,
    threads: int | None = None,
) -> Evaluation:
    """Score the codes of all pairs of a dataset under a protocol, image-to-text and text-to-image.

    Args:
        image_codes: (n, d) codes of all pairs.
        text_codes: (n, d) codes, row i the pair of row i of the image codes.
        labels: (n,) class ids; where pairs carry several, the main ones.
        split: (n,) ``train``, ``validation`` (counts as train) or ``test``.
        class_split: Seen and unseen class ids; None for the standard setting.
        protocol: The rules.
        parts: Score only these of the setting's parts.
        instances: (n,) for relevance ``instance``: pairs of one number show one picture (which has five captions) and
            are matches of each other; by default each pair matches itself alone. As in the tables of caption
            retrieval, a picture stands once among the queries and once in the gallery, by its first pair there.
        label_sets: (n, n_classes) bool, which classes each pair carries. Given, pairs that mix seen and unseen classes
            are no queries, whatever the relevance (``part_rows``); relevance ``shared-label`` needs it.
        class_names: For the messages.
        reranker: Puts the first items of every ranking in order anew, by the scores of the pairs.
        threads: At most this many; by default one for each core.

    Raises:
        DataError: Codes, labels or split are malformed or of different lengths, or a query has nothing relevant.
        ProtocolError: A class lacks pairs that the protocol asks for, a part is unknown, or label sets are missing.
        SplitError: The class split is missing or overlaps.
    """
    image, text = as_codes(image_codes, name="image codes"), as_codes(text_codes, name="text codes")
    class_ids = np.asarray(labels)
    match = np.arange(len(class_ids)) if instances is None else np.asarray(instances)
    if not len(image) == len(text) == len(class_ids) == len(match):
        raise DataError(
            f"{len(image)} image codes, {len(text)} text codes, {len(class_ids)} labels and {len(match)} instances: "
            "row i of each must belong to pair i"
        )
    sets = None if label_sets is None else np.asarray(label_sets)
    rows = part_rows(
        *(class_ids, split),
        class_split=class_split,
        protocol=protocol,
        parts=parts,
        class_names=class_names,
        label_sets=sets,
    )
    relevance = match if protocol.relevance == "instance" else class_ids
    if protocol.relevance == "shared-label" and sets is not None:  # part_rows has refused None
        relevance = sets
    results = {}
    for part in rows:
        check_relevant(relevance[part.queries], relevance[part.gallery], empty=protocol.empty)
        from_image = from_text = part
        if protocol.relevance == "instance":
            from_image = dataclasses.replace(part, queries=_first_of_each(match, part.queries))
            from_text = dataclasses.replace(part, gallery=_first_of_each(match, part.gallery))
        results[part.name] = {
            direction: _direction(direction, image, text, class_ids, relevance, searched, protocol, reranker, threads)
            for direction, searched in (("i2t", from_image), ("t2i", from_text))
        }
    return Evaluation(protocol, results)


def random_codes(n: int, d: int, seed: int) -> NDArray[np.float32]:
    """Draw (n, d) standard normal codes: scored under the same protocol they give the row called chance."""
    return np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32)


def _first_of_each(instances: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[np.sort(np.unique(instances[rows], return_index=True)[1])]


def _direction(
    direction: str,
    image: NDArray[Any],
    text: NDArray[Any],
    class_ids: NDArray[Any],
    relevance: NDArray[Any],
    part: PartRows,
    protocol: Protocol,
    reranker: Reranker | None,
    threads: int | None,
) -> DirectionResult:
    query_codes, gallery_codes = (image, text) if direction == "i2t" else (text, image)
    queries, gallery = query_codes[part.queries], gallery_codes[part.gallery]
    if protocol.normalize == "block":
        queries, gallery = block_normalize(queries), block_normalize(gallery)
    new_scores = None
    if reranker is not None:
        items = part.gallery[top_items(queries, gallery, k=reranker.k, similarity=protocol.similarity)]
        searching = np.broadcast_to(part.queries[:, None], items.shape)
        pairs = (searching, items) if direction == "i2t" else (items, searching)
        new_scores = reranker.score(pairs[0].ravel(), pairs[1].ravel()).reshape(items.shape)
    return score_direction(
        *(queries, gallery, relevance[part.queries], relevance[part.gallery]),
        protocol=protocol,
        rows=part.queries,
        labels=class_ids[part.queries],
        new_scores=new_scores,
        threads=threads,
    )


def _json(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
