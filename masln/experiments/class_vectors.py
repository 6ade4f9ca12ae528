"""The class embeddings of a run by name: those that its data hold, and those of names that came later."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.data import ClassSplit, PairedDataset
from masln.errors import DataError, MissingVectorError
from masln.experiments.config import RunConfig
from masln.experiments.run_data import run_data
from masln.features.text_table import read_utf8
from masln.preparation import ClassVectorSource, open_class_vectors

__all__ = ["RunClassVectors", "read_class_vector"]

_ELSE = "give its vector by --class-vector FILE"
_ALWAYS_AT_HAND = ("glove", "sentence")


class RunClassVectors:
    """From a class name to its embedding, of the kind that a run was fitted with; nothing is loaded before it is asked.

    Args:
        dataset: Of the run.
        config: Of the run.
        class_split: Of the run.
        record: What made the class vectors, as the run or the manifest of its data says; None where neither does.
        source: Where the file or folder that made them is now.
    """

    def __init__(
        self,
        dataset: PairedDataset,
        config: RunConfig,
        class_split: ClassSplit,
        *,
        record: Mapping[str, Any] | str | None,
        source: str | Path | None = None,
    ) -> None:
        self._dataset, self._config, self._split = dataset, config, class_split
        self._record: Mapping[str, Any] = {"kind": record} if isinstance(record, str) else record or {}
        self._given = None if source is None else str(source)

    def __call__(self, name: str) -> NDArray[np.float32]:
        """The embedding (d,) of a class: of the data's own as it stands there, of another one as those were made.

        Raises:
            DataError: a word of the name has no vector, or what made the vectors is not known, not at hand, or another.
            MissingExtraError: a package that it needs is not installed.
        """
        if name in self._stored:
            return self._stored[name]
        try:
            vectors = self._source.embed([name], None)
        except MissingVectorError as error:
            lacking = ", ".join(error.missing)
            raise DataError(f"no vector for the class {lacking}; ask in other words, or {_ELSE}") from error
        return np.asarray(vectors[0])

    @cached_property
    def _stored(self) -> dict[str, NDArray[np.float32]]:
        vectors = run_data(self._dataset, dataclasses.replace(self._config, train_share=1.0), self._split)
        own = vectors.pairs.class_embeddings
        return {} if own is None else dict(zip(self._dataset.class_names, np.asarray(own), strict=True))

    @cached_property
    def _source(self) -> ClassVectorSource:
        kind, name = self._record.get("kind"), self._dataset.name
        if kind == "random":
            raise DataError(f"the run's class vectors were drawn at random: a class that {name} has not has none")
        if kind not in (*_ALWAYS_AT_HAND, "file", "attributes"):
            raise DataError(f"{name} does not say what its class vectors were made with; {_ELSE}")
        own = None if self._config.class_vectors == "own" else self._config.class_vectors
        where = self._given or (kind if kind in _ALWAYS_AT_HAND else own)
        if where is None:
            raise DataError(
                f"the class vectors of {name} are of {self._record['from']}: say where it is by --class-source, or "
                f"{_ELSE}"
            )
        made = open_class_vectors(where)
        for key in ("kind", "hash", "sha256", *(("from",) if kind in _ALWAYS_AT_HAND else ())):
            if key in self._record and made.record.get(key) != self._record[key]:
                raise DataError(
                    f"{where} is not what made the class vectors of {name}: {key} {str(made.record.get(key))[:40]}, "
                    f"and not {str(self._record[key])[:40]}; {_ELSE}"
                )
        return made


def read_class_vector(path: str | Path) -> NDArray[np.float32]:
    """Read one vector (d,): an array in ``.npy``, or a text of numbers parted by spaces, commas or lines.

    Raises:
        DataError: there is no such file, or it holds something else.
    """
    file = Path(path)
    if not file.is_file():
        raise DataError(f"no such file of a class vector: {file}")
    try:
        if file.suffix.lower() == ".npy":
            values = np.load(file, allow_pickle=False)
        else:
            values = np.array([float(number) for number in read_utf8(file).replace(",", " ").split()])
        vector = np.asarray(values, dtype=np.float32)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{file} holds no class vector ({str(error).splitlines()[0]}); give .npy or numbers") from error
    vector = vector[0] if vector.ndim == 2 and len(vector) == 1 else vector
    if vector.ndim != 1 or not len(vector) or not np.isfinite(vector).all() or not vector.any():
        raise DataError(f"{file} holds an array {values.shape}; one vector of finite numbers, not all 0, is needed")
    return vector
