"""Encoder: raw pictures and texts to codes, through the extractors and the model of one run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.data import PairedDataset, bundle_hash, finite_rows
from masln.errors import ConfigError, DataError
from masln.features import (
    CaptionRows,
    Extractor,
    FeatureBatch,
    TextExtractor,
    caption_rows,
    load_extractor,
    pool_captions,
)
from masln.models import ClassEncoder, Method, method_resolver
from masln.retrieval.model_facts import ModelFacts

__all__ = ["CodeExtractor", "Encoder", "StoredFeatures"]


class Encoder:
    """A fitted method with what brings raw items into the form of its training data.

    Args:
        method: A fitted one.
        facts: Which it is.
        extractors: The folder of the saved extractor of each modality; a modality without one takes features alone.
        captions: What is done with several captions of one item, as in the training data.
        why_not: What to say where a modality has no extractor.
        class_vectors: From a class name to its embedding (d_class,), of the kind that the method was fitted with.
    """

    def __init__(
        self,
        method: Method,
        facts: ModelFacts,
        *,
        extractors: Mapping[str, Path] | None = None,
        captions: str = "mean",
        why_not: str = "no extractors were saved with the data",
        class_vectors: Callable[[str], NDArray[np.float32]] | None = None,
    ) -> None:
        self.method, self.facts, self.captions = method, facts, captions
        self._folders, self._why_not = dict(extractors or {}), why_not
        self._extractors: dict[str, Extractor] = {}
        self._class_vectors = class_vectors

    @property
    def folders(self) -> dict[str, Path]:
        """Of the saved extractors, by modality."""
        return dict(self._folders)

    def extractor(self, modality: str) -> Extractor:
        """The extractor of raw items, loaded once.

        Raises:
            DataError: none was saved.
            CheckpointError: it is damaged, or gives other features than when it was saved.
            MissingExtraError: a package that it needs is not installed.
        """
        if modality not in self._folders:
            raise DataError(f"{self.facts.run} cannot read raw {modality}s: {self._why_not}")
        if modality not in self._extractors:
            self._extractors[modality] = load_extractor(self._folders[modality])
        return self._extractors[modality]

    def of_raw(self, modality: str) -> CodeExtractor:
        """From raw items to codes: of pictures anything that ``read_image`` takes; a text is a tuple of captions."""
        return CodeExtractor(encoder=self, modality=modality, source=self.extractor(modality))

    def of_features(self, modality: str, dataset: PairedDataset) -> CodeExtractor:
        """From row numbers of a dataset to codes.

        Raises:
            DataError: its features were made by another extractor than those the model was fitted on.
        """
        own = self._folders.get(modality)
        recorded = (dataset.manifest.get("recipe") or {}).get(f"{modality}_extractor")
        if own is not None and isinstance(recorded, Mapping) and "hash" in recorded:
            wanted = self.extractor(modality).hash
            if recorded["hash"] != wanted:
                raise DataError(
                    f"{dataset.name}: its {modality} features are of another extractor ({recorded.get('name')} "
                    f"{str(recorded['hash'])[:12]}) than {self.facts.run} was trained on ({wanted[:12]}); prepare it "
                    "with the same one"
                )
        return CodeExtractor(encoder=self, modality=modality, source=StoredFeatures(dataset=dataset, modality=modality))

    def layout(self, captions: Sequence[Sequence[str]]) -> CaptionRows:
        """The texts of items with several captions, by the policy of the training data."""
        return caption_rows(captions, policy=self.captions)

    def text_extractor(self) -> TextExtractor:
        """The extractor of texts, as ``extractor``."""
        extractor = self.extractor("text")
        assert isinstance(extractor, TextExtractor)
        return extractor

    def codes(self, modality: str, features: FeatureBatch) -> NDArray[np.float32]:
        """Codes (n, d_code) of features; of a feature that is not finite, NaN."""
        values, mask = features
        finite = finite_rows(values, mask)
        if not finite.all():
            values = np.where(finite.reshape(-1, *[1] * (values.ndim - 1)), values, np.float32(0))
        codes = self.method.encode_image(values) if modality == "image" else self.method.encode_text(values, mask)
        if not finite.all():
            codes[~finite] = np.nan
        return codes

    def class_code(self, name: str, vector: NDArray[Any] | None = None) -> NDArray[np.float32]:
        """The code (1, d_code) of a class, seen in training or not.

        Args:
            name: Its name.
            vector: (d_class,) its embedding; by default that of the name.

        Raises:
            ConfigError: the method has no codes for classes.
            DataError: the name has no embedding, or the vector does not fit.
        """
        if not isinstance(self.method, ClassEncoder):
            able = sorted(key for key, cls in method_resolver.lookup_dict.items() if issubclass(cls, ClassEncoder))
            raise ConfigError(
                f"{self.facts.method} has no code for a class, only {', '.join(able)} have; ask with the name as a text"
            )
        if vector is None:
            if self._class_vectors is None:
                raise DataError(f"{self.facts.run} has no class vectors at hand; give that of {name!r}")
            vector = self._class_vectors(name)
        return self.method.encode_class(np.asarray(vector)[None])


class CodeExtractor(Extractor):
    """Items to codes, under the contract of an extractor, so that ``write_features`` writes and resumes them.

    Args:
        encoder: Whose model.
        modality: ``image`` or ``text``.
        source: What gives the features of an item.
    """

    name = "codes"

    def __init__(self, *, encoder: Encoder, modality: str, source: Extractor) -> None:
        self.encoder = encoder
        self.modality = modality  # type: ignore[misc]
        self.source = source

    @property
    def dim(self) -> int:
        """Width of a code."""
        return self.encoder.facts.code_width

    @property
    def concurrent(self) -> bool:  # type: ignore[override]
        """As of the source."""
        return self.source.concurrent

    @property
    def hash(self) -> str:
        """Of source, captions and model."""
        told = [self.source.hash, self.modality, self.encoder.captions, self.encoder.facts.hash]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def check(self) -> None:
        """The source's own hyper-parameters."""
        self.source.check()

    def features(self, items: Sequence[Any]) -> FeatureBatch:
        """Features of a few items at once."""
        return self._features([self._read(item) for item in items])

    def _features(self, read: Sequence[Any]) -> FeatureBatch:
        if not isinstance(self.source, TextExtractor):
            return self.source.extract_read(read)
        rows = CaptionRows(
            tuple(text for captions in read for text in captions),
            np.repeat(np.arange(len(read)), [len(captions) for captions in read]),
            "mean",
        )
        features = self.source.extract_read(rows.texts)
        if len(rows.texts) == len(read):
            return features
        return FeatureBatch(pool_captions(features.values, rows))

    def _read(self, item: Any) -> Any:
        if isinstance(self.source, TextExtractor):
            return [self.source._read(text) for text in item]
        return self.source._read(item)

    def _item_key(self, item: Any) -> bytes:
        return self.source._item_key(item)

    def _extract(self, items: Sequence[Any]) -> FeatureBatch:
        return FeatureBatch(self.encoder.codes(self.modality, self._features(items)))

    def _require_fitted(self) -> None:
        self.check()


class StoredFeatures(Extractor):
    """The features of a dataset, an item being a row number.

    Args:
        dataset: May be memory-mapped.
        modality: ``image`` or ``text``.
    """

    name = "stored"
    concurrent = False

    def __init__(self, *, dataset: PairedDataset, modality: str) -> None:
        self.dataset = dataset
        self.modality = modality  # type: ignore[misc]
        self._values = dataset.image if modality == "image" else dataset.text

    @property
    def dim(self) -> int:
        """Width of a feature."""
        return int(self._values.shape[-1])

    @property
    def length(self) -> int:
        """Positions of a sequence; 0 for global features."""
        return int(self._values.shape[1]) if self._values.ndim == 3 else 0

    @property
    def hash(self) -> str:
        """Of the dataset."""
        return f"{bundle_hash(self.dataset)} {self.modality}"

    def check(self) -> None:
        """Nothing to set."""

    def _extract(self, items: Sequence[int]) -> FeatureBatch:
        rows = np.asarray(items)
        mask = self.dataset.text_mask if self.modality == "text" else None
        return FeatureBatch(np.asarray(self._values[rows]), None if mask is None else np.asarray(mask[rows]))

    def _require_fitted(self) -> None:
        self.check()
