"""Codes of many items as a folder: memory-mapped arrays, what each row is, and which model made them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.data import PairedDataset
from masln.errors import CheckpointError, ConfigError, DataError
from masln.features import MODALITIES, write_features
from masln.features.journal import Journal
from masln.retrieval.encoder import CodeExtractor, Encoder
from masln.retrieval.items import Item, ItemFile, write_items
from masln.retrieval.model_facts import ModelFacts
from masln.saving import write_atomically

__all__ = ["CodeSet", "Codes", "Collection", "is_codes_folder", "of_dataset", "read_codes", "write_codes"]

MANIFEST = "codes.json"
FORMAT = 1
_STORED_BATCH = 512  # ours: rows of a bundle encoded at once


@dataclass(frozen=True)
class Collection:
    """Raw items of one modality, or the rows of a dataset, to be encoded.

    Attributes:
        extractor: From ``inputs`` to codes.
        inputs: n of what the extractor takes.
        items: n, what each is.
        batch_size: How many are encoded at once.
    """

    extractor: CodeExtractor
    inputs: Sequence[Any]
    items: Sequence[Item]
    batch_size: int = 16


@dataclass(frozen=True)
class CodeSet:
    """Codes of one modality: row i of ``values`` (n, d) is item i; memory-mapped."""

    values: NDArray[np.float32]
    items: ItemFile


@dataclass(frozen=True)
class Codes:
    """A folder of codes.

    Attributes:
        folder: Where it is.
        model: Which model made them.
        sets: By modality.
        facts: Where the items came from: ``images``, the folder that image paths are below; ``bundle`` and
            ``bundle_hash``, whose rows the items are, in order and all of them.
        skipped: A line for each item that could not be read.
    """

    folder: Path
    model: ModelFacts
    sets: Mapping[str, CodeSet]
    facts: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


def of_dataset(encoder: Encoder, dataset: PairedDataset) -> dict[str, Collection]:
    """Both modalities of a dataset, each row an item of either."""
    assert dataset.ids is not None
    empty = [""] * len(dataset)
    texts = empty if dataset.texts is None else dataset.texts.tolist()
    images = empty if dataset.image_paths is None else dataset.image_paths.tolist()
    labels = [dataset.class_names[label] for label in dataset.labels]
    items = [Item(*values) for values in zip(dataset.ids.tolist(), labels, texts, images, strict=True)]
    rows = range(len(dataset))
    return {
        modality: Collection(encoder.of_features(modality, dataset), rows, items, _STORED_BATCH)
        for modality in MODALITIES
    }


def write_codes(
    collections: Mapping[str, Collection],
    out: str | Path,
    *,
    model: ModelFacts,
    facts: Mapping[str, Any] | None = None,
    on_error: str = "fail",
    workers: int | None = None,
    progress: bool = False,
) -> Codes:
    """Encode and write ``image.npy`` or ``text.npy`` or both, what each row is, and ``codes.json``.

    It is made in a hidden folder beside ``out`` and gets its name when it is whole; a call that a kill cut short goes
    on where it stopped, to the same bytes, when it is given again.

    Args:
        collections: By modality.
        out: The folder; must not be there.
        model: Of the encoder.
        facts: As of ``Codes``.
        on_error: ``fail`` at an item that cannot be read, or ``skip`` it.
        workers: Threads, by default as many as torch would use; the bytes do not depend on it.
        progress: Show bars.

    Raises:
        DataError: ``out`` is there, an item cannot be read, or the disk refuses.
        CheckpointError: another process writes there.
    """
    target = Path(out).absolute()
    if target.exists():
        raise DataError(f"{out} exists; choose another --out, or delete it")
    if not collections:
        raise ConfigError("nothing to encode; give pictures, texts or a bundle")
    hidden = target.parent / f".{target.name}.encoding"
    told = [
        [modality, c.extractor.hash, c.batch_size, [i.to_dict() for i in c.items]]
        for modality, c in collections.items()
    ]
    work = hidden / hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    try:
        work.mkdir(parents=True, exist_ok=True)
        with Journal(hidden / "lock.journal", {"codes": target.name}):
            counts, skipped = {}, []
            for modality, collection in collections.items():
                written = write_features(
                    collection.extractor,
                    collection.inputs,
                    work,
                    name=modality,
                    ids=[item.id for item in collection.items],
                    batch_size=collection.batch_size,
                    workers=workers,
                    on_error=on_error,
                    progress=progress,
                )
                write_items(work / f"{modality}.jsonl", (collection.items[row] for row in written.rows))
                counts[modality] = len(written.rows)
                skipped += [f"{modality} {failure.id}: {failure.reason}" for failure in written.skipped]
            own = dict(facts or {})
            if skipped:
                own.pop("bundle", None)  # its rows are no longer those of the codes
            manifest = {"format": FORMAT, "model": model.to_dict(), "counts": counts, "facts": own, "skipped": skipped}
            write_atomically(work / MANIFEST, (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode())
            os.replace(work, target)
            for journal in target.glob("*.journal"):  # until here a call that goes on needs them
                journal.unlink()
        shutil.rmtree(hidden, ignore_errors=True)
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror or error}") from error
    return read_codes(target)


def is_codes_folder(folder: str | Path) -> bool:
    """Whether ``write_codes`` made it."""
    return (Path(folder) / MANIFEST).is_file()


def read_codes(folder: str | Path) -> Codes:
    """Read what ``write_codes`` wrote, memory-mapped.

    Raises:
        DataError: it is no such folder.
        CheckpointError: it is damaged.
    """
    own = Path(folder)
    if not is_codes_folder(own):
        raise DataError(f"{folder} holds no codes: it has no {MANIFEST}; make it with masln encode")
    try:
        manifest = json.loads((own / MANIFEST).read_text(encoding="utf-8"))
        model = ModelFacts.from_dict(manifest["model"], where=own / MANIFEST)
        sets = {modality: _read_set(own, modality, count) for modality, count in manifest["counts"].items()}
        return Codes(own, model, sets, manifest["facts"], tuple(manifest["skipped"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder} is damaged ({error}); delete it and encode again") from error


def _read_set(folder: Path, modality: str, count: int) -> CodeSet:
    values = np.load(folder / f"{modality}.npy", mmap_mode="r", allow_pickle=False)
    items = ItemFile(folder / f"{modality}.jsonl")
    if values.ndim != 2 or values.dtype != np.float32 or not len(values) == len(items) == count:
        raise ValueError(f"{modality}.npy {values.dtype} {values.shape} and {len(items)} items, expected {count}")
    return CodeSet(values, items)
