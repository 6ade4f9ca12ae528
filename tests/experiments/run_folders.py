"""Run directories as ``masln train`` leaves them, made without training: codes of a given quality."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from masln.data import PairedDataset, bundle_hash
from masln.experiments import RunConfig, RunDirectory, evaluate_method
from masln.experiments.directory import start_experiment
from masln.experiments.record import record_of
from masln.experiments.runs import runs_of
from tests.conftest import make_pairs

NAMES = tuple(f"class{number}" for number in range(8))


class Coded:
    """Codes of both modalities, ready made: one direction a class, and noise."""

    def __init__(self, pairs: PairedDataset, quality: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        own = quality * np.eye(len(pairs.class_names))[pairs.labels]
        self.image, self.text = (own + rng.normal(size=own.shape) for _ in range(2))

    def encode_image(self, X: Any) -> np.ndarray:
        return self.image.astype(np.float32)

    def encode_text(self, X: Any, mask: Any = None) -> np.ndarray:
        return self.text.astype(np.float32)

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True)


def write_runs(
    folder: Path,
    methods: Mapping[str, float] | None = None,
    *,
    data: str = "toy",
    class_names: Sequence[str] = NAMES,
    **values: Any,
) -> Path:
    """Write a finished run directory.

    Args:
        folder: Is made.
        methods: Name to how good its codes are; the first is the method, the others its baselines.
        data: Name of the dataset.
        class_names: Eight.
        values: Of the configuration.
    """
    methods = {"masln": 2.0, "cca": 1.0, "chance": 0.0} if methods is None else methods
    pairs = dataclasses.replace(make_pairs(classes=8, per_class=8), name=data, class_names=tuple(class_names))
    first, *others = methods
    plain = {"data": f"bundles/{data}", "method": first, "baselines": others, "splits": 3, "device": "cpu"}
    config = RunConfig.from_dict(plain | values)
    start_experiment(folder, config, resume=False)
    for run in runs_of(config):
        class_split = config.make_split(pairs.class_names, run.number)
        coded = Coded(
            pairs, methods[run.method], seed=1000 * list(methods).index(run.method) + 7 * run.number + run.seed
        )
        facts = {
            "method": run.method,
            "split": run.number,
            "seed": run.seed,
            "seconds": 1.5,
            "processor_seconds": 1.25,
            "data": data,
            "data_hash": bundle_hash(pairs),
            "class_split_hash": class_split.hash,
            "protocol_hash": config.protocol.hash,
            "hyperparameters": {"ridge": 0.1} if run.method == "cca" else {},
            "candidates": [{"ridge": 0.1, "validation_map": 0.5}] if run.method == "cca" else [],
        }
        record = record_of(facts, evaluate_method(coded, pairs, class_split, config), pairs.ids)
        RunDirectory(folder / run.place).write(coded, class_split, config.protocol, record)
    return folder
