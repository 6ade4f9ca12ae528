"""The model of a run, ready for raw pictures and texts, and what ``masln encode`` takes in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from masln.data import PairedDataset, bundle_hash, find_bundle, load_dataset
from masln.errors import CheckpointError, ConfigError, DataError
from masln.experiments.class_vectors import RunClassVectors
from masln.experiments.config import RunConfig
from masln.experiments.directory import RunDirectory, open_experiment, read_json
from masln.experiments.experiment import check_data
from masln.experiments.runs import runs_of
from masln.features import MODALITIES, list_images, read_texts
from masln.features.text_table import read_utf8
from masln.models import load_method
from masln.retrieval import Collection, Encoder, Item, ModelFacts, model_hash, of_dataset
from masln.saving import CONFIG

__all__ = [
    "EXPORT",
    "EXTRACTORS",
    "FoundRun",
    "RawItems",
    "bundle_items",
    "find_run",
    "image_items",
    "open_encoder",
    "read_queries",
    "text_items",
]

EXPORT, EXTRACTORS = "export.json", "extractors"


@dataclass(frozen=True)
class FoundRun:
    """One run on disk.

    Attributes:
        experiment: The folder of the experiment that it is of.
        config: Of the experiment.
        own: Its own folder.
    """

    experiment: Path
    config: RunConfig
    own: RunDirectory


@dataclass(frozen=True)
class RawItems:
    """What is to be encoded, and what is known of it.

    Attributes:
        collections: By modality.
        facts: Where the items are from, as of ``Codes``.
        notes: What a person should know.
    """

    collections: Mapping[str, Collection]
    facts: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def find_run(run: str | Path) -> FoundRun:
    """Find a run on disk.

    Args:
        run: A directory of ``masln train`` or ``masln compare``, of whose method the first class split and seed are
            taken; or the folder of one run in it, such as ``RUN/masln/split0-seed0``.

    Raises:
        ConfigError: it is no such directory.
    """
    given = Path(run)
    single = (given / "model").is_dir()
    experiment = given.absolute().parents[1] if single else given
    config = open_experiment(experiment)
    return FoundRun(experiment, config, RunDirectory(given if single else experiment / next(runs_of(config)).place))


def open_encoder(run: str | Path, *, class_source: str | Path | None = None) -> Encoder:
    """Load the model of a run and find the extractors of its data.

    Args:
        run: As of ``find_run``; or a folder of ``masln export --format safetensors``.
        class_source: Where the word vectors or attributes that made the class embeddings are now, for names of new
            classes; asked for where they are of a file. An export has no class vectors.

    Raises:
        ConfigError: it is no such directory.
        CheckpointError: the run is unfinished, or its model damaged.
        DataError: the dataset is gone or another one.
    """
    if (Path(run) / EXPORT).is_file():
        return _open_exported(Path(run))
    found = find_run(run)
    config, own = found.config, found.own
    facts = read_json(own.path / "metrics.json")
    dataset = load_dataset(config.data)
    check_data(facts, dataset, config, own.path)
    method = load_method(own.model)
    model = ModelFacts(
        hash=model_hash(own.model, facts["data_hash"]),
        run=str(own.path.absolute()),
        method=str(facts["method"]),
        data=dataset.name,
        data_hash=str(facts["data_hash"]),
        code_width=method.encode_image(np.zeros((1, method.d_image_), dtype=np.float32)).shape[1],
        similarity=config.protocol.similarity,
    )
    folder = find_bundle(config.data) / EXTRACTORS
    recipe = dataset.manifest.get("recipe") or {}
    record = recipe.get("class_vectors") if config.class_vectors == "own" else facts.get("class_vectors")
    return Encoder(
        method,
        model,
        extractors=_saved_extractors(folder),
        captions=str(recipe.get("captions", "mean")),
        why_not=f"no extractor was saved with its data, {dataset.name}, as masln prepare does; encode features "
        "of the same kind by --bundle",
        class_vectors=RunClassVectors(dataset, config, own.read_split(), record=record, source=class_source),
    )


def _saved_extractors(folder: Path) -> dict[str, Path]:
    return {name: folder / name for name in MODALITIES if (folder / name / CONFIG).is_file()}


def _open_exported(folder: Path) -> Encoder:
    """The model of an export, which needs neither its run nor its data."""
    facts = read_json(folder / EXPORT)
    if facts.get("format") != "safetensors":
        raise ConfigError(f"{folder} holds {facts.get('format')} encoders; give the run, or export it as safetensors")
    told = ModelFacts.from_dict(facts.get("model", {}), where=folder / EXPORT)
    if model_hash(folder, told.data_hash) != told.hash:
        raise CheckpointError(f"the model in {folder} is another than {EXPORT} says; export it again")
    return Encoder(
        load_method(folder),
        dataclasses.replace(told, run=str(folder.absolute())),
        extractors=_saved_extractors(folder / EXTRACTORS),
        captions=str(facts.get("captions", "mean")),
        why_not="no extractor was exported with it",
    )


def image_items(
    encoder: Encoder, folder: str | Path, *, folders_are_classes: bool = False, label: str = "", batch_size: int = 16
) -> RawItems:
    """All pictures under a folder; an item is called by its path below it.

    Args:
        encoder: Of the run.
        folder: The top.
        folders_are_classes: The class of a picture is the name of the folder it lies in.
        label: The class of all of them.
        batch_size: How many go through a network at once.

    Raises:
        DataError: no such folder, no image in it, or a picture that lies in no class's folder.
    """
    top, extractor = Path(folder), encoder.of_raw("image")
    items, files = [], list_images(top)
    for file in files:
        path = file.relative_to(top)
        if folders_are_classes and path.parent == Path():
            raise DataError(f"{file} lies in no folder of a class; move it, or leave --folders-are-classes out")
        own = path.parent.name if folders_are_classes else label
        items.append(Item(id=path.as_posix(), label=own, image=path.as_posix()))
    collection = Collection(extractor, files, items, batch_size)
    return RawItems({"image": collection}, {"images": str(top.absolute())})


def text_items(
    encoder: Encoder,
    source: str | Path,
    *,
    id_column: str | None = None,
    text_columns: Sequence[str] = (),
    class_column: str | None = None,
    label: str = "",
    on_error: str = "fail",
    batch_size: int = 16,
) -> RawItems:
    """The texts of a file or folder; several captions of one row are brought together as in the training data.

    Args:
        encoder: Of the run.
        source: As of ``read_texts``.
        id_column: Of names; guessed, or the rows' numbers.
        text_columns: Of texts; guessed.
        class_column: Of classes; none otherwise.
        label: The class of all of them.
        on_error: ``fail`` at a row without a sound text, or ``skip`` it.
        batch_size: How many go through a network at once.

    Raises:
        DataError: as of ``read_texts``, or no such column of classes.
    """
    extractor = encoder.of_raw("text")
    table = read_texts(source, id_column=id_column, text_columns=list(text_columns) or None, on_error=on_error)
    if class_column is not None and class_column not in table.columns:
        raise DataError(f"{source}: no column {class_column!r}; there are {', '.join(table.columns) or 'no others'}")
    rows = encoder.layout(table.captions)
    ends = np.searchsorted(rows.owners, np.arange(len(table) + 1))
    inputs: list[tuple[str, ...]] = []
    items: list[Item] = []
    for row, own in enumerate(table.ids):
        captions = rows.texts[ends[row] : ends[row + 1]]
        kind = table.columns[class_column][row] if class_column is not None else label
        parts = [(own, captions)]
        if rows.policy == "each" and len(captions) > 1:
            parts = [(f"{own}#{number}", (caption,)) for number, caption in enumerate(captions)]
        elif len(captions) > 1 and extractor.source.length:
            raise ConfigError("token sequences of several captions have no mean; give one --text-column")
        inputs += [captions for _, captions in parts]
        items += [Item(name, kind, " ".join(captions)) for name, captions in parts]
    blank = sum(not any(map(encoder.text_extractor().knows_any, captions)) for captions in inputs)
    notes = (f"{blank} texts have no word that the extractor knows: all have one code",) if blank else ()
    return RawItems({"text": Collection(extractor, inputs, items, batch_size)}, {}, notes)


def bundle_items(encoder: Encoder, bundle: str | Path, *, part: str | None = None) -> RawItems:
    """Pictures and texts of a bundle, by their features.

    Args:
        encoder: Of the run.
        bundle: Bundled name, or the folder.
        part: ``train`` or ``test`` of the official split alone; None for all.

    Raises:
        DataError: it is no bundle, or its features are of other extractors than the run's.
    """
    whole = load_dataset(bundle)
    dataset: PairedDataset = whole if part is None else whole.take(whole.rows(part))
    recipe = whole.manifest.get("recipe")
    images = recipe.get("images") if isinstance(recipe, Mapping) else None
    facts: dict[str, Any] = {"images": str(Path(images).absolute())} if isinstance(images, str) else {}
    if part is None:
        facts |= {"bundle": str(find_bundle(bundle).absolute()), "bundle_hash": bundle_hash(whole)}
    return RawItems(of_dataset(encoder, dataset), facts)


def read_queries(source: str | Path, modality: str) -> list[str]:
    """Queries of a file or folder: of texts one a line of a ``.txt``, or one a row of what ``read_texts`` takes.

    Args:
        source: File of texts, or folder of pictures.
        modality: ``image`` or ``text``.

    Returns:
        Texts, the captions of a row as one; or the paths of pictures.

    Raises:
        DataError: it cannot be read, or holds none.
    """
    path = Path(source)
    if modality == "image":
        return [str(file) for file in list_images(path)]
    if path.suffix.lower() == ".txt" and path.is_file():
        lines = [line.strip() for line in read_utf8(path).splitlines() if line.strip()]
        if not lines:
            raise DataError(f"{path}: no query in it; write one a line")
        return lines
    return [" ".join(captions) for captions in read_texts(path).captions]
