"""The encoders of a run as a folder that stands alone: ONNX graphs or safetensors, the extractors, a model card."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln._version import __version__
from masln.data import ClassSplit, PairedDataset, load_dataset
from masln.errors import CheckpointError, ConfigError, unknown_name
from masln.evaluation import Protocol
from masln.experiments.directory import RunDirectory
from masln.experiments.encoding import EXPORT, EXTRACTORS, FoundRun, find_run, open_encoder
from masln.experiments.experiment import baseline_of
from masln.experiments.record import RunRecord, record_of
from masln.experiments.runs import evaluate_method, runs_of
from masln.features import MODALITIES
from masln.models import OPSET, Method, OnnxEncoder, load_method, make_method, onnx_graph, require_onnx
from masln.retrieval import Encoder, ModelFacts
from masln.saving import CONFIG, WEIGHTS
from masln.training import write_atomically

__all__ = ["FORMATS", "Export", "ExportedEncoder", "export_run"]

FORMATS = ("onnx", "safetensors")
TOLERANCE = 1e-4
_CHECKED = 256  # ours: rows of the dataset, evenly spaced, that an exported encoder is held against its model on


@dataclass(frozen=True)
class ExportedEncoder:
    """One encoder of an export.

    Attributes:
        modality: ``image`` or ``text``.
        file: Its name in the folder.
        shape: Of one item's features, (d,) or (length, d).
        masked: Whether a mask of tokens goes with them.
        extractor: What the data's manifest says of what made its features; None where it says nothing.
        raw: Whether that extractor is in the folder.
        checked: Rows of the run's dataset that were encoded by the export and by the model.
        difference: Largest absolute difference of their codes.
        largest: Largest absolute value in a code of the model.
    """

    modality: str
    file: str
    shape: tuple[int, ...]
    masked: bool
    extractor: Any
    raw: bool
    checked: int
    difference: float
    largest: float


@dataclass(frozen=True, eq=False)
class Export:
    """What was exported, and what a model card tells of it.

    Attributes:
        folder: Where it is.
        format: One of ``FORMATS``.
        method: The fitted one.
        model: Its facts; the run by its name below the experiment's folder, not by its place on this machine.
        encoders: By modality.
        protocol: Of the run's figures.
        class_split: Of the run.
        record: Of the run.
        beside: Of the runs of other methods on the same class split, and of chance.
        baseline: Registered name of what the run was compared with; None where that did not run.
        manifest: Of the run's dataset.
        pairs: Training pairs of seen classes.
    """

    folder: Path
    format: str
    method: Method
    model: ModelFacts
    encoders: Mapping[str, ExportedEncoder]
    protocol: Protocol
    class_split: ClassSplit
    record: RunRecord
    beside: tuple[RunRecord, ...]
    baseline: str | None
    manifest: Mapping[str, Any]
    pairs: int

    def to_dict(self) -> dict[str, Any]:
        """The facts, JSON-able."""
        return {
            "masln": __version__,
            "format": self.format,
            **({"opset": OPSET} if self.format == "onnx" else {}),
            "model": self.model.to_dict(),
            "captions": str((self.manifest.get("recipe") or {}).get("captions", "mean")),
            "class_split_hash": self.class_split.hash,
            "protocol_hash": self.protocol.hash,
            "encoders": {name: asdict(own) for name, own in self.encoders.items()},
        }


def export_run(run: str | Path, out: str | Path, *, format: str, describe: Callable[[Export], str]) -> Export:
    """Export the encoders of a run; the folder appears whole, once they gave the codes of the model on its own data.

    ``onnx`` has ``image.onnx`` and ``text.onnx``, whose float32 arithmetic may differ from that of the model, in
    float64 where it is linear. ``safetensors`` has the model as it was saved, so that it is the same model, by hash
    too, and galleries of the run take its queries: ``open_encoder`` reads the folder as it does a run.

    Args:
        run: As of ``open_encoder``.
        out: The folder; must not be there.
        format: One of ``FORMATS``.
        describe: Writes the model card, ``README.md``.

    Raises:
        ConfigError: unknown format, ``out`` is there, no such run, or a method without encoders.
        CheckpointError: the run is unfinished or damaged, an exported encoder gives other codes, or the disk refuses.
        DataError: the run's dataset is gone or another one.
        MissingExtraError: the packages of the extra ``export`` are not installed.
    """
    if format not in FORMATS:
        raise ConfigError(unknown_name("format", format, FORMATS))
    target = Path(out).absolute()
    if target.exists():
        raise ConfigError(f"{out} exists; choose another --out, or delete it")
    if format == "onnx":
        require_onnx()
    found, encoder = find_run(run), open_encoder(run)
    for modality in MODALITIES:
        encoder.method.encoder_module(modality)  # refuses a method without
    dataset = load_dataset(found.config.data)
    hidden = target.parent / f".{target.name}.exporting"
    try:
        shutil.rmtree(hidden, ignore_errors=True)  # of an export that was killed
        hidden.mkdir(parents=True)
        record, class_split = found.own.read(), found.own.read_split()
        model = _without_places(encoder.facts)
        if format == "safetensors":
            for name in (CONFIG, WEIGHTS):
                shutil.copyfile(found.own.model / name, hidden / name)
        encoders = {}
        for modality in MODALITIES:
            path = _write_graph(hidden, modality, encoder, model, dataset) if format == "onnx" else WEIGHTS
            encoders[modality] = _checked(hidden, modality, path, encoder, dataset)
        for modality, folder in encoder.folders.items():
            shutil.copytree(folder, hidden / EXTRACTORS / modality)
        made = Export(
            folder=target,
            format=format,
            method=encoder.method,
            model=model,
            encoders=encoders,
            protocol=found.config.protocol,
            class_split=class_split,
            record=record,
            beside=_beside(found, record, class_split, dataset),
            baseline=baseline_of(found.config),
            manifest=dataset.manifest,
            pairs=len(dataset.rows_of(class_split.seen, dataset.rows("train"))),
        )
        write_atomically(hidden / EXPORT, (json.dumps(made.to_dict(), indent=1, ensure_ascii=False) + "\n").encode())
        write_atomically(hidden / "README.md", describe(made).encode())
        os.replace(hidden, target)
    except OSError as error:
        raise CheckpointError(f"cannot write {out}: {error.strerror or error}; choose another --out") from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return made


def _without_places(facts: ModelFacts) -> ModelFacts:
    return ModelFacts.from_dict(facts.to_dict() | {"run": "/".join(Path(facts.run).parts[-3:])}, where=facts.run)


def _features(dataset: PairedDataset, modality: str) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    return (dataset.image, None) if modality == "image" else (dataset.text, dataset.text_mask)


def _write_graph(folder: Path, modality: str, encoder: Encoder, model: ModelFacts, dataset: PairedDataset) -> str:
    values, mask = _features(dataset, modality)
    metadata = {"modality": modality, "masln": __version__, "model_hash": model.hash, "run": model.run}
    metadata |= {"method": model.method, "similarity": model.similarity, "data": model.data}
    module = encoder.method.encoder_module(modality)
    content = onnx_graph(module, modality, values.shape[1:], masked=mask is not None, metadata=metadata)
    write_atomically(folder / f"{modality}.onnx", content)
    return f"{modality}.onnx"


def _checked(folder: Path, modality: str, path: str, encoder: Encoder, dataset: PairedDataset) -> ExportedEncoder:
    """Encode real rows by what was written and by the model.

    Raises:
        CheckpointError: the codes differ.
    """
    values, mask = _features(dataset, modality)
    rows = np.unique(np.linspace(0, len(values) - 1, _CHECKED).round().astype(np.int64))
    own = np.asarray(values[rows]), None if mask is None else np.asarray(mask[rows])
    expected = _codes(encoder.method, modality, *own)
    exported = OnnxEncoder(folder / path) if path.endswith(".onnx") else load_method(folder)
    # One row alone and all others at once: the number of rows is theirs who ask.
    parts = [slice(0, 1), slice(1, None)] if len(rows) > 1 else [slice(0, 1)]
    codes = [_codes(exported, modality, own[0][part], None if own[1] is None else own[1][part]) for part in parts]
    found = np.concatenate(codes)
    difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
    largest = float(np.abs(expected).max())
    if not difference <= TOLERANCE * max(1.0, largest):
        raise CheckpointError(
            f"the exported {modality} encoder gives other codes than the model: they differ by up to {difference:.1e} "
            f"on {len(rows)} rows of {dataset.name}, {TOLERANCE:.0e} is allowed; nothing is kept"
        )
    recorded = dataset.manifest.get("recipe") or {}
    return ExportedEncoder(
        modality=modality,
        file=path,
        shape=tuple(int(width) for width in values.shape[1:]),
        masked=mask is not None,
        extractor=recorded.get(f"{modality}_extractor", recorded.get(modality)),
        raw=modality in encoder.folders,
        checked=len(rows),
        difference=difference,
        largest=largest,
    )


def _codes(
    encoder: Method | OnnxEncoder, modality: str, values: NDArray[Any], mask: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    if isinstance(encoder, OnnxEncoder):
        return encoder.encode(values, mask)
    return encoder.encode_image(values) if modality == "image" else encoder.encode_text(values, mask)


def _beside(
    found: FoundRun, record: RunRecord, class_split: ClassSplit, dataset: PairedDataset
) -> tuple[RunRecord, ...]:
    """Other methods on this class split, all their seeds, and chance whether it ran or not."""
    config, number = found.config, record.facts["split"]
    records = [
        RunDirectory(found.experiment / run.place).read()
        for run in runs_of(config)
        if run.number == number and run.method != record.method and (found.experiment / run.place).is_dir()
    ]
    if "chance" not in [other.method for other in records]:
        chance = make_method("chance").fit(dataset.of_classes(class_split.seen, dataset.rows("train")))
        evaluations = evaluate_method(chance, dataset, class_split, config)
        facts = {"method": "chance", "split": number, "seed": 0}
        records.append(record_of(facts, evaluations, dataset.ids, pictures=dataset.pictures))
    return tuple(records)
