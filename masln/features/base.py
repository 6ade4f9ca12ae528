"""The contract of an extractor: items (images or texts) in, float32 features out, streamed, saved, and hashed."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence, Sized
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from class_resolver import ClassResolver
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from masln._version import __version__
from masln.errors import CheckpointError, ConfigError, DataError
from masln.features.pipeline import in_order, worker_count
from masln.progress import progress_bar
from masln.registry import check_types, make_registered, plain_parameters
from masln.saving import Arrays, add_arrays, load_state, save_state

__all__ = [
    "MODALITIES",
    "Extractor",
    "FeatureBatch",
    "extractor_names",
    "extractor_resolver",
    "load_extractor",
    "make_extractor",
]

MODALITIES = ("image", "text")
# EfficientNet-Lite0 on two cores: 30 images/s in batches of 16, 23 in batches of 32, whose maps leave the cache.
BATCH_SIZE = 16  # ours
Floats = NDArray[np.float32]


class FeatureBatch(NamedTuple):
    """Features of some items: ``values`` (n, dim) or (n, length, dim), and which positions of a sequence are real."""

    values: Floats
    mask: NDArray[np.bool_] | None = None


class Extractor(BaseEstimator, ABC):  # type: ignore[misc]
    """Base of all feature extractors.

    A subclass takes keyword-only hyper-parameters and keeps them as given; what ``fit`` learns ends in ``_``. It
    implements ``dim`` and ``_extract``; where they apply, ``layout`` (often a hyper-parameter), ``length``, ``_read``,
    ``_fit``, ``_state`` and ``_restore``, and ``_identity``. Checks of input and output are made here, once.
    """

    #: How users write it, for instance in YAML; the registry knows the class by its class name too.
    name: ClassVar[str] = ""
    #: ``image`` or ``text``.
    modality: ClassVar[str] = ""
    #: One line for a list of extractors.
    summary: ClassVar[str] = ""
    #: Paper, venue and year, or the package that the weights come from.
    reference: ClassVar[str] = ""
    #: Whether ``fit`` must be called before ``transform``.
    learns: ClassVar[bool] = False
    #: Whether batches may be extracted in several threads at once, with the same bytes as in one.
    concurrent: ClassVar[bool] = False
    #: Layouts on offer: ``global`` is (n, dim); ``regions`` of an image and ``tokens`` of a text are (n, length, dim).
    layouts: ClassVar[tuple[str, ...]] = ("global",)
    #: The layout of what comes out, one of ``layouts``.
    layout: str = "global"

    @property
    @abstractmethod
    def dim(self) -> int:
        """Width of a feature; NotFittedError where only ``fit`` tells."""

    @property
    def length(self) -> int:
        """Positions of a sequence layout, padding included; 0 for ``global``."""
        return 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one item's feature: (dim,) or (length, dim)."""
        return (self.length, self.dim) if self.length else (self.dim,)

    @property
    def masked(self) -> bool:
        """Whether a mask goes with the values: tokens of texts vary in number, regions of images do not."""
        return self.modality == "text" and self.length > 0

    @property
    def hash(self) -> str:
        """SHA-256 over name, hyper-parameters (files by their content) and what was learned; 64 hexadecimal digits.

        Equal hashes mean equal features. Recorded in the manifest of a bundle.
        """
        self._require_fitted()
        arrays, facts = self._state()
        digest = hashlib.sha256(json.dumps([self.name, self._identity(), facts], sort_keys=True).encode())
        add_arrays(digest, arrays)
        return digest.hexdigest()

    def fit(self, items: Iterable[Any]) -> Self:
        """Learn from items, where the extractor learns; nothing happens otherwise.

        Raises:
            DataError: an item cannot be read.
            ConfigError: a hyper-parameter has the wrong type or is out of range.
        """
        self.check()
        if self.learns:
            self._fit(self._read(item) for item in _several(items))
        return self

    def transform(self, items: Iterable[Any], *, batch_size: int = BATCH_SIZE, progress: bool = False) -> Floats:
        """Features of all items in memory: ``extract`` without the mask."""
        return self.extract(items, batch_size=batch_size, progress=progress).values

    def extract(self, items: Iterable[Any], *, batch_size: int = BATCH_SIZE, progress: bool = False) -> FeatureBatch:
        """Features of all items in memory, with the mask of a sequence layout; see ``write_features`` for many.

        Args:
            items: n of them; any iterable.
            batch_size: How many are extracted at once.
            progress: Show a bar, where standard error is a terminal.

        Returns:
            Values (n, dim) or (n, length, dim), and the mask (n, length) of ``tokens``.

        Raises:
            DataError: an item cannot be read, or its feature is not finite.
            NotFittedError: ``fit`` is needed first.
        """
        total = len(items) if isinstance(items, Sized) else 0
        parts = []
        with progress_bar(self.name, total, show=progress and total > 0) as advance:
            for part in self.batches(items, batch_size=batch_size):
                parts.append(part)
                advance(len(part.values))
        if not parts:
            raise DataError(f"{self.name}: no items to extract features of; give at least one")
        masks = [part.mask for part in parts if part.mask is not None]
        return FeatureBatch(np.concatenate([part.values for part in parts]), np.concatenate(masks) if masks else None)

    def batches(
        self, items: Iterable[Any], *, batch_size: int = BATCH_SIZE, workers: int | None = None
    ) -> Iterator[FeatureBatch]:
        """Stream features, ``batch_size`` items at a time; see ``extract`` for what is raised.

        Args:
            items: Any iterable; read no further ahead than the batches under way.
            batch_size: How many are extracted at once.
            workers: Batches under way at once, where the class is ``concurrent``; the bits do not depend on it.
        """
        self._require_fitted()
        count = worker_count(workers, concurrent=self.concurrent)
        done = 0
        numbered = enumerate(chunks(_several(items), batch_size))
        starts = ((number * batch_size, chunk) for number, chunk in numbered)
        for batch in in_order(self._read_and_extract, starts, workers=count):
            finite = finite_rows(batch.values)
            if not finite.all():
                raise DataError(f"{self.name}: the feature of item {done + int(np.argmin(finite))} is not finite")
            done += len(batch.values)
            yield batch

    def _read_and_extract(self, numbered: tuple[int, Sequence[Any]]) -> FeatureBatch:
        start, items = numbered
        read = []
        for number, item in enumerate(items, start):
            try:
                read.append(self._read(item))
            except DataError as error:
                raise DataError(f"item {number}: {error}") from error
        return self.extract_read(read)

    def extract_read(self, read: Sequence[Any]) -> FeatureBatch:
        """Features of items that ``_read`` returned, held against ``shape`` and ``masked``; finite or not."""
        values, mask = self._extract(read)
        values = np.ascontiguousarray(values, dtype=np.float32)
        shape = (len(read), *self.shape)
        if self.masked and mask is None:
            mask = np.ones(shape[:2], dtype=np.bool_)
        if values.shape != shape or (mask is not None) != self.masked or (mask is not None and mask.shape != shape[:2]):
            given = "no mask" if mask is None else f"mask {mask.shape}"
            raise DataError(f"{self.name} gave features {values.shape} and {given}, expected {shape}; a bug of it")
        return FeatureBatch(values, None if mask is None else np.ascontiguousarray(mask, dtype=np.bool_))

    def save(self, directory: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors``, each atomically; the folder is made when missing.

        Weights that come from a package, a hub or the user's files are not copied: their hash is kept, and held
        against what is found on loading.
        """
        self._require_fitted()
        arrays, facts = self._state()
        config = {
            "extractor": self.name,
            "masln": __version__,
            "hash": self.hash,
            "hyperparameters": plain_parameters(self),
            "facts": facts,
        }
        save_state(directory, config, arrays)

    def check(self) -> None:
        """Find what is wrong with the hyper-parameters; subclasses add their ranges.

        Raises:
            ConfigError: one has the wrong type or is out of range.
        """
        check_types(self)
        if self.layout not in self.layouts:
            raise ConfigError(f"layout of {self.name} must be one of {', '.join(self.layouts)}, got {self.layout!r}")

    @abstractmethod
    def _extract(self, items: Sequence[Any]) -> FeatureBatch:
        """Features of items that ``_read`` returned."""

    def _read(self, item: Any) -> Any:
        """Bring one item into the form that ``_fit`` and ``_extract`` take; DataError, with its name, if it is broken.

        Where the class is ``concurrent``, called from several threads at once.
        """
        return item

    def _item_key(self, item: Any) -> bytes:
        """Bytes that tell an item from others; of a file, path, size and time of change, as reading it costs more."""
        return repr(item).encode("utf-8", "surrogatepass")

    def _fit(self, items: Iterator[Any]) -> None:
        """Learn; hyper-parameters are checked, and items went through ``_read``."""

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        """Arrays and JSON-able facts from which ``_restore`` makes the fitted extractor."""
        return {}, {}

    def _restore(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        """Take the state back; hyper-parameters are set."""

    def _identity(self) -> dict[str, Any]:
        """JSON-able facts that the hash is taken over: the hyper-parameters, a path replaced by its content's hash."""
        return plain_parameters(self)

    def _require_fitted(self) -> None:
        self.check()
        if self.learns:
            try:
                check_is_fitted(self)
            except NotFittedError:
                raise NotFittedError(f"{self.name} is not fitted; call fit, or load a saved one") from None


extractor_resolver: ClassResolver[Extractor] = ClassResolver([], base=Extractor, default=None)  # type: ignore[type-abstract]


def extractor_names(modality: str | None = None) -> list[str]:
    """Names of the registered extractors, of one modality or of both, in order."""
    classes = extractor_resolver.lookup_dict.values()
    return sorted(cls.name for cls in classes if modality in (None, cls.modality))


def make_extractor(name: str, **hyperparameters: Any) -> Extractor:
    """Make an extractor by its registered name.

    Raises:
        ConfigError: the extractor or a hyper-parameter is unknown; the nearest known name is given.
    """
    return make_registered(extractor_resolver, name, hyperparameters, kind="extractor", known=extractor_names())


def load_extractor(directory: str | Path) -> Extractor:
    """Load what ``Extractor.save`` wrote.

    Raises:
        CheckpointError: a file is missing, truncated, does not fit the other, or weights outside it have changed.
        MissingExtraError: a package that the extractor needs is not installed.
    """

    def make(config: dict[str, Any], arrays: Arrays) -> Extractor:
        extractor = make_extractor(config["extractor"], **config["hyperparameters"])
        extractor._restore(arrays, config["facts"])
        if extractor.hash != config["hash"]:
            raise CheckpointError(
                f"saved extractor {directory} gives other features than when it was saved (hash "
                f"{extractor.hash[:12]}, was {config['hash'][:12]}); its model files have changed: put them back"
            )
        return extractor

    return load_state(directory, make, what="extractor", remedy="make it again")


def finite_rows(values: Floats) -> NDArray[np.bool_]:
    """(n,) true for the items whose feature is finite in all its numbers."""
    return np.asarray(np.isfinite(values).all(axis=tuple(range(1, values.ndim))))


def chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Part an iterable into lists of ``size``, the last one shorter; ConfigError for a size under 1."""
    if size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {size}")
    chunk: list[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _several(items: Iterable[Any]) -> Iterable[Any]:
    if isinstance(items, str | bytes | Path):
        raise DataError(f"items must be a sequence of items, not the one item {str(items)[:60]!r}; give a list")
    return items
