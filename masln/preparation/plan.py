"""The plan of a preparation: all that is settled, and all that can be found wrong, before a picture is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.data import ClassSplit, make_class_split
from masln.errors import ConfigError, DataError
from masln.preparation.checksums import Checksums
from masln.preparation.class_vectors import make_class_vectors
from masln.preparation.masking import masked_captions
from masln.preparation.pair_table import PairTable, read_pairs
from masln.preparation.settings import Preparation
from masln.preparation.splitting import check_classes, components, draw_split

__all__ = ["Plan", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """The pairs of a table and how they are divided.

    Attributes:
        pairs: n of them.
        names: Of the classes, sorted.
        labels: (n,) class ids.
        label_sets: (n, n_classes) which classes each pair carries; None where each has one.
        split: (n,) ``train``, ``validation`` or ``test``.
        together: (n,) equal numbers for pairs that no drawn split parts.
        class_split: On whose seen classes a learning text extractor is fitted.
        class_vectors: (n_classes, d) or None.
        class_vectors_record: How they were made.
        damaged: Pictures that are not what their checksum says, each with the reason.
    """

    pairs: PairTable
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    label_sets: NDArray[np.bool_] | None
    split: NDArray[np.str_]
    together: NDArray[np.int64]
    class_split: ClassSplit | None
    class_vectors: NDArray[np.float32] | None
    class_vectors_record: dict[str, Any]
    damaged: Mapping[str, str] = field(default_factory=dict)


def make_plan(settings: Preparation, *, tokens: bool, progress: bool = False) -> Plan:
    """Read the table and settle everything but the features.

    The split is drawn before pictures are read, so that a broken one that is skipped, or mended, moves no other pair.

    Args:
        settings: Of the preparation.
        tokens: Whether the text extractor gives sequences.
        progress: Show a bar, where standard error is a terminal.

    Raises:
        DataError: a file, row, column or checksum is wrong, or a class has no vector.
        SplitError: the classes or the split allow no evaluation.
        ConfigError: a setting does not fit the data.
    """
    if settings.synonyms is not None and not Path(settings.synonyms).is_file():
        raise ConfigError(f"no such file of synonyms: {settings.synonyms}")
    checksums = None if settings.checksums is None else Checksums(settings.checksums)
    if checksums is not None and Path(settings.table).is_file() and (reason := checksums.problem(Path(settings.table))):
        raise DataError(reason)
    pairs = read_pairs(
        settings.table,
        settings.images,
        on_error=settings.on_error,
        gather=settings.gather,
        image=settings.image_column,
        label=settings.class_column,
        texts=settings.text_columns,
        id_column=settings.id_column,
        split=settings.split_column,
        group=settings.group_column,
        label_sets=settings.label_sets_column,
    )
    if settings.mask_class_words:
        pairs = masked_captions(pairs, synonyms=settings.synonyms, on_error=settings.on_error)
    if tokens and settings.captions == "mean" and max(map(len, pairs.captions)) > 1:
        raise ConfigError("token sequences of several captions have no mean; take --captions first, concat or each")
    names = pairs.class_names
    number = {name: index for index, name in enumerate(names)}
    labels = np.array([number[label] for label in pairs.labels], dtype=np.int64)
    label_sets = None
    if pairs.label_sets is not None:
        label_sets = np.zeros((len(pairs), len(names)), dtype=bool)
        for row, own in enumerate(pairs.label_sets):
            label_sets[row, [number[name] for name in own]] = True
    together = components(pairs.images, *(() if pairs.groups is None else (pairs.groups,)))
    if pairs.split is not None:
        split = np.array(pairs.split)
    elif len(names) == 1:  # check_classes says so in better words
        split = np.full(len(pairs), "train")
    else:
        split = draw_split(
            pairs.labels, together, test_share=settings.test_share, seed=settings.seed, source=settings.table
        )
    check_classes(names, labels, split, label_sets, source=settings.table)
    class_split = None
    if settings.class_split is not None:
        class_split = make_class_split(
            names,
            rule=settings.class_split,
            unseen_share=settings.unseen_share,
            listed=settings.listed,
            seed=settings.seed,
        )
    damaged = {} if checksums is None else _damaged(settings, pairs, checksums, progress=progress)
    vectors, record = make_class_vectors(names, settings.class_vectors, synonyms=settings.synonyms)
    return Plan(pairs, names, labels, label_sets, split, together, class_split, vectors, record, damaged)


def _damaged(settings: Preparation, pairs: PairTable, checksums: Checksums, *, progress: bool) -> dict[str, str]:
    found = checksums.problems(Path(settings.images), dict.fromkeys(pairs.images), progress=progress)
    if found and (settings.on_error == "fail" or len(found) == len(set(pairs.images))):
        more = f" ({len(found) - 1} further pictures are wrong too)" if len(found) > 1 else ""
        raise DataError(f"{next(iter(found.values()))}{more}")
    return found
