"""PairedDataset: image-text pairs of labelled classes, as arrays, with nothing hidden."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.data.label_sets import check_label_sets, only_of
from masln.data.sequences import check_text_mask, row_blocks
from masln.errors import DataError

__all__ = ["PairedDataset"]

_ROW_FIELDS = ("image", "text", "text_mask", "labels", "label_sets", "ids", "split", "groups", "texts", "image_paths")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class PairedDataset:
    """Image-text pairs: row i of every array is pair i.

    Attributes:
        name: What results call the dataset.
        image: (n, d_image) global, or (n, regions, d_image) sequence features, floating point.
        text: (n, d_text) global, or (n, tokens, d_text) sequence features, floating point.
        labels: (n,) integer class ids, indices into ``class_names``; where a pair carries several, its main one.
        class_names: One name per class.
        class_embeddings: (n_classes, d_class) or None.
        label_sets: (n, n_classes) bool, True where the pair carries the class, its main one included; None: each pair
            has one class.
        text_mask: (n, tokens) bool, True where there is a token, at least one a row; required with sequence text.
        ids: (n,) a name for each pair; ``"0"``, ``"1"``, ... when not given.
        split: (n,) the official split, each of ``train``, ``validation``, ``test``; None if there is none.
        groups: (n,) pairs of one group share their content and are never parted by a split; None: each its own.
        texts: (n,) raw text, for display; may be None.
        image_paths: (n,) where the pictures lie, for display; may be None.
        manifest: Facts about where the data came from.

    Raises:
        DataError: rows mismatch, a label has no class name or is not in the pair's label set, text comes as bytes, a
            shape is wrong.
    """

    name: str
    image: NDArray[Any]
    text: NDArray[Any]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    class_embeddings: NDArray[Any] | None = None
    label_sets: NDArray[np.bool_] | None = None
    text_mask: NDArray[np.bool_] | None = None
    ids: NDArray[np.str_] | None = None
    split: NDArray[np.str_] | None = None
    groups: NDArray[np.str_] | None = None
    texts: NDArray[np.str_] | None = None
    image_paths: NDArray[np.str_] | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", _strings(self.class_names, "class_names", self.name))
        labels = np.asarray(self.labels)
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise DataError(f"{self.name}: labels must be a 1-d integer array, got {labels.dtype} {labels.shape}")
        object.__setattr__(self, "labels", labels.astype(np.int64))
        for modality in ("image", "text"):
            _check_features(getattr(self, modality), f"{self.name}: {modality}")
        for name in ("ids", "split", "groups", "texts", "image_paths"):
            if (values := getattr(self, name)) is not None:
                object.__setattr__(self, name, np.asarray(_strings(values, name, self.name), dtype=np.str_))
        if self.ids is None:
            object.__setattr__(self, "ids", np.arange(len(labels)).astype(np.str_))
        self._check_rows()
        self._check_classes()

    def _check_rows(self) -> None:
        n = len(self.labels)
        for name in _ROW_FIELDS:
            values = getattr(self, name)
            if values is not None and len(values) != n:
                raise DataError(
                    f"{self.name}: {name} has {len(values)} rows but labels has {n}; one row a pair is needed"
                )
        check_text_mask(self.text, self.text_mask, where=self.name)
        if self.split is not None and (odd := set(np.unique(self.split).tolist()) - set(SPLITS)):
            raise DataError(f"{self.name}: split holds {sorted(odd)}; each value must be one of {', '.join(SPLITS)}")

    def _check_classes(self) -> None:
        if len(set(self.class_names)) != len(self.class_names):
            raise DataError(f"{self.name}: class names repeat; give each class its own name")
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.class_names):
            raise DataError(
                f"{self.name}: labels run from {self.labels.min()} to {self.labels.max()} but there are "
                f"{len(self.class_names)} class names; labels index them from 0"
            )
        vectors = self.class_embeddings
        if vectors is not None and (vectors.ndim != 2 or len(vectors) != len(self.class_names)):
            raise DataError(f"{self.name}: class_embeddings {vectors.shape} must be ({len(self.class_names)}, d_class)")
        if self.label_sets is not None:
            check_label_sets(self.label_sets, self.labels, len(self.class_names), where=self.name)

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, part: str) -> NDArray[np.intp]:
        """Row indices of an official part: ``train`` (with ``validation``), or ``test``.

        Raises:
            DataError: the dataset has no official split.
        """
        if self.split is None:
            raise DataError(f"{self.name}: no official split; give a split array of train and test values")
        chosen = self.split == "test" if part == "test" else self.split != "test"
        return np.flatnonzero(chosen)

    @property
    def pictures(self) -> NDArray[np.int64]:
        """(n,) a number for each pair, equal where pairs show one picture (by ``image_paths``; else each its own)."""
        if self.image_paths is None:
            return np.arange(len(self))
        return np.unique(self.image_paths, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def take(self, rows: NDArray[np.intp]) -> PairedDataset:
        """Keep these rows, in this order, and all classes."""
        picked: dict[str, Any] = {
            name: np.asarray(values)[rows] for name in _ROW_FIELDS if (values := getattr(self, name)) is not None
        }
        return dataclasses.replace(self, **picked)

    def rows_of(self, classes: Iterable[int], rows: NDArray[np.intp] | None = None) -> NDArray[np.intp]:
        """Row indices of the pairs of some classes alone, ascending where ``rows`` are.

        A pair with a label set is among them only if all of its classes are (``only_of``).

        Args:
            classes: Class ids, each of which must have a pair.
            rows: Consider these rows only; all by default.

        Raises:
            DataError: a class is the main one of no such pair.
        """
        kept = tuple(int(c) for c in classes)
        rows = np.arange(len(self)) if rows is None else rows
        found = rows[only_of(kept, self.labels, self.label_sets)[rows]]
        counts = np.bincount(self.labels[found], minlength=len(self.class_names))
        empty = [c for c in kept if not counts[c]]
        if empty:
            names = ", ".join(self.class_names[c] for c in empty)
            others = int(np.isin(self.labels[rows], empty).sum())
            why = f": all {others} carry a class beside those asked for too" if others else ""
            raise DataError(f"{self.name}: no pair of class {names} among the {len(rows)} rows asked{why}")
        return found

    def of_classes(self, classes: Iterable[int], rows: NDArray[np.intp] | None = None) -> PairedDataset:
        """Keep the pairs of some classes, and nothing that tells of the other ones.

        Labels are renumbered 0, 1, ... in the order of ``classes``, and so are the columns of label sets; names,
        columns and embeddings of other classes go. A pair that carries one of those too goes whole, whatever its main
        class: its picture and text would tell of it.

        Args:
            classes: Class ids to keep.
            rows: Consider these rows only; all by default.

        Raises:
            DataError: a class has no pair among the rows.
        """
        kept = [int(c) for c in classes]
        taken = self.take(self.rows_of(kept, rows))
        renumber = np.full(len(self.class_names), -1, dtype=np.int64)
        renumber[kept] = np.arange(len(kept))
        vectors, sets = self.class_embeddings, taken.label_sets
        return dataclasses.replace(
            taken,
            labels=renumber[taken.labels],
            class_names=tuple(self.class_names[c] for c in kept),
            class_embeddings=None if vectors is None else np.asarray(vectors)[kept],
            label_sets=None if sets is None else sets[:, kept],
        )

    def require_finite(self) -> None:
        """Check every feature for NaN and infinity, in blocks, so that memory-mapped arrays stay on disk.

        Raises:
            DataError: naming the array and the first offending pair.
        """
        for name in ("image", "text", "class_embeddings"):
            values = getattr(self, name)
            if values is None:
                continue
            for rows in row_blocks(values):
                block = np.asarray(values[rows])
                finite = np.isfinite(block).reshape(len(block), -1).all(axis=1)
                if not finite.all():
                    row = rows.start + int(np.argmin(finite))
                    what = (
                        f"class {self.class_names[row]!r}"
                        if name == "class_embeddings"
                        else f"pair {str(self.ids[row])!r} (row {row})"  # type: ignore[index]
                    )
                    raise DataError(
                        f"{self.name}: {name} of {what} is not finite; repair or drop it, then make the bundle again"
                    )


def _check_features(values: Any, where: str) -> None:
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise DataError(f"{where} must be a floating-point array, got {kind}")
    if values.ndim not in (2, 3) or 0 in values.shape[1:]:
        raise DataError(f"{where} must be (n, d) or (n, sequence, d) with d >= 1, got {values.shape}")


def _strings(values: Sequence[Any] | NDArray[Any], field_name: str, where: str) -> tuple[str, ...]:
    for row, value in enumerate(values):
        if isinstance(value, bytes):
            # b'...' captions read as text once halved VSRN's recall without an error.
            raise DataError(f"{where}: {field_name} row {row} is bytes; decode it first, for instance as UTF-8")
        if not isinstance(value, str):
            raise DataError(f"{where}: {field_name} row {row} is {type(value).__name__}; text is needed")
    return tuple(str(value) for value in values)
