"""The contract of a method: fit on pairs, encode either modality, save and load, scikit-learn parameters."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from class_resolver import ClassResolver
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from torch import nn

from masln._version import __version__
from masln.data import PairedDataset, check_text_mask, finite_rows, row_blocks
from masln.errors import ConfigError, DataError
from masln.evaluation import retrieval_map
from masln.registry import check_types, make_registered, plain_parameters
from masln.saving import Arrays, load_state, save_state
from masln.training import Runtime

__all__ = ["Arrays", "Method", "load_method", "make_method", "method_resolver"]

ValidationScore = Callable[[NDArray[Any], NDArray[Any], NDArray[np.int64]], float]


def mean_map(image_codes: NDArray[Any], text_codes: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Mean of image-to-text and text-to-image mAP, all pairs being queries and gallery."""
    return float(np.mean(retrieval_map(image_codes, text_codes, labels)))


class Method(BaseEstimator, ABC):  # type: ignore[misc]
    """Base of all methods.

    A subclass takes keyword-only hyper-parameters and keeps them as given; what ``fit`` learns ends in ``_``.
    It implements ``_fit``, ``_encode``, ``_state`` and ``_restore``; input checks are made here, once.
    """

    #: One line for ``masln methods``.
    summary: ClassVar[str] = ""
    #: Paper, venue and year.
    reference: ClassVar[str] = ""
    #: Hyper-parameters tried on validation classes, by name; the first value of each is the default.
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {}
    #: Hyper-parameters tried beside those only where a budget says how many configurations are, lest the plain search
    #: grow: values that were held against the default on validation classes before (``benchmarks/*_defaults.py``).
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {}
    #: Whether image regions (n, regions, d) and text tokens (n, tokens, d) are taken as such; one that takes them takes
    #: global features (n, d) too, as sequences of length one.
    takes_sequences: ClassVar[bool] = False

    d_image_: int
    d_text_: int
    #: Of the pairs that it was fitted on; None where a saved method does not say.
    class_names_: tuple[str, ...] | None

    def fit(
        self,
        train: PairedDataset,
        validation: PairedDataset | None = None,
        *,
        runtime: Runtime | None = None,
        score: ValidationScore | None = None,
    ) -> Self:
        """Learn from training pairs.

        Args:
            train: Pairs of training classes alone, labels numbered from 0.
            validation: Pairs of validation classes, for early stopping where the method has it.
            runtime: Device, precision, checkpoint, trackers; the defaults otherwise.
            score: Of validation codes (image codes, text codes, labels), higher is better; by default the mAP of
                both directions, averaged.

        Returns:
            The fitted method itself.

        Raises:
            DataError: sequence features where the method takes none, non-finite values, fewer than two pairs.
            ConfigError: a hyper-parameter is out of range.
        """
        self._accept(train, validation)
        self._fit(train, validation, runtime or Runtime(), score or mean_map)
        return self

    def _accept(self, train: PairedDataset, validation: PairedDataset | None) -> None:
        """Check the pairs of a fit, and note their widths and classes."""
        self.check(train)
        for pairs in (train, validation):
            if pairs is not None:
                pairs.require_finite()
        if len(train) < 2:
            raise DataError(f"{train.name}: {len(train)} training pairs; at least two are needed")
        self.d_image_, self.d_text_ = train.image.shape[-1], train.text.shape[-1]
        self.class_names_ = train.class_names

    def encode_image(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Codes (n, d_code) of image features.

        Args:
            X: (n, d_image), or where the method takes sequences (n, regions, d_image).

        Raises:
            DataError: they do not fit, or are not finite.
        """
        return self._checked_encode(X, "image")

    def encode_text(self, X: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Codes (n, d_code) of text features.

        Args:
            X: (n, d_text), or where the method takes sequences (n, tokens, d_text).
            mask: (n, tokens) bool, True where there is a token; with sequences alone. What stands elsewhere in X is
                not looked at.

        Raises:
            DataError: they do not fit, are not finite, or a mask is missing or not wanted.
        """
        return self._checked_encode(X, "text", mask)

    def encoder_module(self, modality: str) -> nn.Module:
        """What ``encode_image`` or ``encode_text`` computes, input scaling included, as one module.

        It shares the method's own tensors: copy it before it is cast or moved.

        Args:
            modality: ``image`` or ``text``.

        Returns:
            A module in eval mode, from features (n, d) to codes (n, d_code); of sequences, from (n, length, d) and,
            of texts, a bool mask (n, length).

        Raises:
            ConfigError: the codes are no function of the features.
        """
        raise ConfigError(f"{type(self).__name__} has no encoder: its codes are no function of the features")

    def save(self, directory: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors``, each atomically; the folder is made when missing."""
        arrays, facts = self._state()
        config = {
            "method": method_resolver.normalize_cls(type(self)),
            "masln": __version__,
            "hyperparameters": plain_parameters(self),
            "d_image": self.d_image_,
            "d_text": self.d_text_,
            "class_names": self.class_names_,
            "facts": facts,
        }
        save_state(directory, config, arrays)

    @abstractmethod
    def _fit(
        self,
        train: PairedDataset,
        validation: PairedDataset | None,
        runtime: Runtime,
        score: ValidationScore,
    ) -> None:
        """Learn; inputs are checked."""

    @abstractmethod
    def _encode(self, X: NDArray[Any], modality: str, mask: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """Codes of checked features, with the mask of text sequences."""

    @abstractmethod
    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        """Arrays and JSON-able facts from which ``_restore`` makes the fitted method."""

    @abstractmethod
    def _restore(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        """Take the state back; hyper-parameters and widths are set."""

    def check(self, pairs: PairedDataset) -> None:
        """Find, before anything is written or learned, what ``fit`` would refuse in these pairs.

        Raises:
            DataError: sequence features where the method takes none.
            ConfigError: a hyper-parameter has the wrong type or is out of range.
        """
        check_types(self)
        if not self.takes_sequences and (pairs.image.ndim != 2 or pairs.text.ndim != 2):
            raise DataError(
                f"{type(self).__name__} takes global features (n, d), but {pairs.name} has image "
                f"{pairs.image.shape} and text {pairs.text.shape}; pool the sequences first"
            )

    def check_classes(self, class_names: Sequence[str]) -> None:
        """Find, before anything is written or learned, what forbids a fit on the pairs of these classes alone.

        Nothing by default.

        Raises:
            SplitError: the method already knows of others.
        """

    def remarks(self) -> list[str]:
        """What a record of the fit must say beyond the hyper-parameters, each in one line; nothing by default."""
        return []

    def _checked_encode(
        self, X: NDArray[Any], modality: str, mask: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        self._check_features(X, modality, mask)
        codes = np.ascontiguousarray(self._encode(X, modality, mask), dtype=np.float32)
        finite = np.isfinite(codes).all(axis=1) & finite_rows(X, mask)
        if not finite.all():
            raise DataError(f"{modality} feature row {int(np.argmin(finite))} is not finite; repair or drop it")
        return codes

    def _check_features(self, X: NDArray[Any], modality: str, mask: NDArray[np.bool_] | None = None) -> None:
        width = getattr(self, f"d_{modality}_", None)
        if width is None:
            raise NotFittedError(f"{type(self).__name__} is not fitted; call fit, or load a saved run")
        if X.ndim not in ((2, 3) if self.takes_sequences else (2,)) or X.shape[-1] != width:
            sequence = f" or (n, {'regions' if modality == 'image' else 'tokens'}, {width})" * self.takes_sequences
            raise DataError(f"{modality} features must be (n, {width}){sequence} as in training, got {X.shape}")
        if modality == "text":
            check_text_mask(X, mask, where=type(self).__name__)

    def fingerprint(self, train: PairedDataset, validation: PairedDataset | None, runtime: Runtime) -> str:
        """Names what a checkpoint belongs to: method, hyper-parameters, precision, version and the pairs."""
        digest = hashlib.sha256()
        facts = [type(self).__name__, self.get_params(), runtime.precision, __version__]
        digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
        for pairs in (train, validation):
            if pairs is not None:
                arrays: list[NDArray[Any] | None] = [pairs.image, pairs.text, pairs.labels, pairs.class_embeddings]
                arrays.append(pairs.label_sets)  # of validation pairs: they decide what is relevant
                arrays += [pairs.text_mask, pairs.pictures]
                for values in arrays:
                    if values is not None:
                        for rows in row_blocks(values):
                            digest.update(np.ascontiguousarray(values[rows]).tobytes())
        return digest.hexdigest()[:12]


method_resolver: ClassResolver[Method] = ClassResolver([], base=Method, default=None)  # type: ignore[type-abstract]


def make_method(name: str, **hyperparameters: Any) -> Method:
    """Make a method by its registered name.

    Raises:
        ConfigError: the method or a hyper-parameter is unknown; the nearest known name is given.
    """
    return make_registered(method_resolver, name, hyperparameters, kind="method")


def load_method(directory: str | Path) -> Method:
    """Load what ``Method.save`` wrote.

    Raises:
        CheckpointError: a file is missing, truncated, or does not fit the other.
    """

    def make(config: dict[str, Any], arrays: Arrays) -> Method:
        method = make_method(config["method"], **config["hyperparameters"])
        method.d_image_, method.d_text_ = config["d_image"], config["d_text"]
        names = config.get("class_names")
        method.class_names_ = None if names is None else tuple(names)
        method._restore(arrays, config["facts"])
        return method

    return load_state(directory, make, what="model", remedy="train it again")
