"""The runs of an experiment: which there are, and one of them made."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from masln.data import ClassSplit, PairedDataset, bundle_hash, mixed_pairs
from masln.evaluation import Evaluation, Reranker, evaluate
from masln.experiments.config import RunConfig
from masln.experiments.directory import RunDirectory
from masln.experiments.processes import peak_memory
from masln.experiments.record import GENERALIZED, RERANKED, record_of
from masln.experiments.run_data import run_data
from masln.experiments.selection import Selection, fit_selected
from masln.experiments.stopwatch import Stopwatch
from masln.models import JointScorer, Method, make_method
from masln.training import JsonLines, Runtime, TensorBoard, TrainingInterruptedError

__all__ = ["Run", "evaluate_method", "leave_run", "run_here", "runs_of", "runtime_of"]


class Run(NamedTuple):
    """One fit and its evaluation.

    Attributes:
        place: Its folder below the experiment's.
        method: Registered name.
        number: Of the class split, from 0.
        seed: Of the method.
    """

    place: str
    method: str
    number: int
    seed: int


def runs_of(config: RunConfig) -> Iterator[Run]:
    """Every run, in order."""
    first = config.first_method_seed
    for name in dict.fromkeys((config.method, *config.baselines)):
        seeded = "seed" in make_method(name).get_params()
        for number in range(config.splits):
            for seed in range(first, first + (config.seeds if seeded else 1)):
                yield Run(f"{name}/split{number}-seed{seed}", name, number, seed)


def run_here(
    run: Run,
    config: RunConfig,
    dataset: PairedDataset,
    directory: Path,
    *,
    resume: bool,
    progress: bool = False,
    tensorboard: bool = False,
    alone: bool = False,
) -> None:
    """Make one run in this process and leave its files; ``alone``, and nothing else in it, records its peak memory.

    Raises:
        TrainingInterruptedError: Ctrl-C; the message says how to go on.
    """
    own = RunDirectory(directory / run.place)
    runtime = runtime_of(own, config, resume=resume, progress=progress, tensorboard=tensorboard)
    try:
        _run(run, config, dataset, own, runtime, alone=alone)
    except TrainingInterruptedError as error:
        raise TrainingInterruptedError(f"{error}: masln train --resume --out {directory}") from error


def runtime_of(
    own: RunDirectory, config: RunConfig, *, resume: bool, progress: bool = False, tensorboard: bool = False
) -> Runtime:
    """How a run whose files stand in this folder, made when missing, is fitted."""
    own.path.mkdir(parents=True, exist_ok=True)
    return Runtime(
        device=config.device,
        precision=config.precision,
        checkpoint=own.checkpoint,
        resume=resume,
        trackers=(JsonLines(own.events), *((TensorBoard(own.path),) if tensorboard else ())),
        progress=progress,
    )


def evaluate_method(
    method: Method, dataset: PairedDataset, class_split: ClassSplit, config: RunConfig
) -> dict[str, Evaluation]:
    """Encode all pairs once and score them; a seen_unseen run is scored on the joint gallery too.

    What a joint scorer's codes find is scored a second time after it has re-ranked the top of every ranking.
    """
    codes = method.encode_image(dataset.image), method.encode_text(dataset.text, dataset.text_mask)

    def score(setting: str, reranker: Reranker | None) -> Evaluation:
        assert dataset.split is not None
        return evaluate(
            *codes,
            dataset.labels,
            dataset.split,
            class_split=None if setting == "standard" else class_split,
            protocol=dataclasses.replace(config.protocol, setting=setting),
            instances=dataset.pictures,
            label_sets=dataset.label_sets,
            class_names=dataset.class_names,
            reranker=reranker,
        )

    def of_pairs(image_rows: NDArray[np.int64], text_rows: NDArray[np.int64]) -> NDArray[np.float32]:
        assert isinstance(method, JointScorer)
        features = dataset.image, dataset.text, dataset.text_mask
        return method.score(*features, image_rows=image_rows, text_rows=text_rows)

    setting = config.protocol.setting
    evaluations: dict[str, Evaluation] = {}
    rerankers: dict[str, Reranker | None] = {"": None}
    if isinstance(method, JointScorer) and config.rerank:
        rerankers[RERANKED] = Reranker(of_pairs, config.rerank)
    for prefix, reranker in rerankers.items():
        evaluations[prefix + GENERALIZED * (setting == "generalized")] = score(setting, reranker)
        if setting == "seen_unseen":
            evaluations[prefix + GENERALIZED] = score("generalized", reranker)
    return evaluations


def _run(
    run: Run, config: RunConfig, dataset: PairedDataset, directory: RunDirectory, runtime: Runtime, *, alone: bool
) -> None:
    import torch

    name = run.method
    class_split = config.make_split(dataset.class_names, run.number)
    data = run_data(dataset, config, class_split)
    stopwatch = Stopwatch(taken_up=runtime.resume and directory.begun)
    method, selection = fit_selected(
        name,
        config.hyperparameters if name == config.method else {},
        data.pairs,
        class_split,
        protocol=config.protocol,
        runtime=runtime,
        seed=run.seed,
        select=config.select,
        budget=config.budget,
        search=config.search,
    )
    fitted = {
        **stopwatch.facts(),
        "threads": torch.get_num_threads(),
        **data.facts,
    }
    leave_run(run, config, dataset, class_split, method, selection, directory, fitted=fitted, alone=alone)


def leave_run(
    run: Run,
    config: RunConfig,
    dataset: PairedDataset,
    class_split: ClassSplit,
    method: Method,
    selection: Selection,
    directory: RunDirectory,
    *,
    fitted: Mapping[str, Any],
    alone: bool = False,
) -> None:
    """Evaluate the fitted method of a run and leave its files; ``fitted`` is what its record says of the fit."""
    facts = {
        "method": run.method,
        "split": run.number,
        "seed": run.seed,
        **fitted,
        "data": dataset.name,
        "data_hash": bundle_hash(dataset),
        "class_split_hash": class_split.hash,
        "protocol_hash": config.protocol.hash,
        "hyperparameters": dict(selection.hyperparameters),
        "candidates": selection.candidates,
    }
    if remarks := method.remarks():
        facts["remarks"] = remarks
    if dataset.label_sets is not None:
        mixed = mixed_pairs(class_split.seen, dataset.label_sets)
        facts["mixed_pairs"] = {part: int(mixed[dataset.rows(part)].sum()) for part in ("train", "test")}
    if isinstance(method, JointScorer) and config.rerank:
        facts["rerank"] = config.rerank
    evaluations = evaluate_method(method, dataset, class_split, config)
    if alone:
        facts["peak_memory"] = peak_memory()
    record = record_of(facts, evaluations, dataset.ids, pictures=dataset.pictures)
    directory.write(method, class_split, config.protocol, record)
