"""An experiment: a method and its baselines over class splits and seeds, each run kept on disk as it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masln.data import ClassSplit, PairedDataset, bundle_hash, load_dataset
from masln.errors import ConfigError, DataError
from masln.evaluation import part_rows
from masln.experiments.config import RunConfig
from masln.experiments.directory import RunDirectory, open_experiment, open_saved, start_experiment, write_json
from masln.experiments.record import RunRecord, record_of
from masln.experiments.run_data import run_data
from masln.experiments.runs import Run, evaluate_method, run_here, runs_of
from masln.experiments.search import require_search
from masln.experiments.seed_runs import passes_of, run_seeds_here
from masln.experiments.summary import summary_rows
from masln.models import JointScorer, load_method, make_method, method_resolver
from masln.training import resolve_device

__all__ = [
    "Experiment",
    "check_data",
    "check_dataset",
    "check_methods",
    "evaluate_experiment",
    "read_experiment",
    "run_experiment",
    "run_with_attention",
]


@dataclass(frozen=True, eq=False)
class Experiment:
    """The records of all runs of one configuration, the method's own first.

    Attributes:
        config: What was run.
        directory: The folder.
        records: A record a run; two of a run that re-ranked.
    """

    config: RunConfig
    directory: Path
    records: list[RunRecord]


def run_experiment(
    config: RunConfig,
    directory: Path,
    *,
    resume: bool = False,
    progress: bool = False,
    tensorboard: bool = False,
    alone: bool = False,
) -> Experiment:
    """Run everything a configuration asks for.

    Args:
        config: What to run; on resume the saved one is taken instead.
        directory: The experiment's folder.
        resume: Go on where an earlier call stopped: finished runs are read, a begun one goes on.
        progress: Show bars on a terminal.
        tensorboard: Write TensorBoard events beside the JSON lines.
        alone: Nothing else ran in this process: its peak memory is that of the run, and is recorded.

    Returns:
        All records; the folder also holds ``metrics.json``, the rows of the table.

    Raises:
        ConfigError: the folder exists, or an option is out of range.
        DataError: the dataset is malformed.
    """
    if resume:
        config = open_saved(directory)
    dataset = load_dataset(config.data)
    check_dataset(dataset)
    check_methods(config, dataset)
    config = start_experiment(directory, config, resume=resume)
    done = [run for run in runs_of(config) if resume and RunDirectory(directory / run.place).finished]
    for run in done:
        _read(run, directory, dataset, config)
    made: dict[str, Any] = {"resume": resume, "progress": progress, "tensorboard": tensorboard}
    for together in passes_of(list(runs_of(config)), config):
        if all(run in done for run in together):
            continue
        if len(together) > 1:
            run_seeds_here(together, config, dataset, directory, **made)
        else:
            run_here(together[0], config, dataset, directory, **made, alone=alone)
    ended = [_read(run, directory, dataset, config) for run in runs_of(config)]
    records = [record for run in ended for record in run.as_methods()]
    write_json(directory / "metrics.json", {"rows": summary_rows(records, baseline=baseline_of(config))})
    return Experiment(config, directory, records)


def read_experiment(directory: Path) -> Experiment:
    """Read the records of a finished experiment from its folder."""
    config = open_experiment(directory)
    runs = [RunDirectory(directory / run.place).read() for run in runs_of(config)]
    return Experiment(config, directory, [record for run in runs for record in run.as_methods()])


def evaluate_experiment(directory: Path) -> Experiment:
    """Repeat the figures of an experiment: load its models, encode its dataset anew, score.

    Raises:
        DataError: the dataset is not the one that the runs were made on.
    """
    config = open_experiment(directory)
    dataset = load_dataset(config.data)
    records = []
    for run in runs_of(config):
        own = RunDirectory(directory / run.place)
        facts = own.read().facts
        check_data(facts, dataset, config, own.path)
        evaluations = evaluate_method(load_method(own.model), dataset, own.read_split(), config)
        records += record_of(facts, evaluations, dataset.ids, pictures=dataset.pictures).as_methods()
    return Experiment(config, directory, records)


def baseline_of(config: RunConfig) -> str | None:
    """The method that others are tested against: CCA where it runs."""
    return "cca" if "cca" in (config.method, *config.baselines) else None


def _read(run: Run, directory: Path, dataset: PairedDataset, config: RunConfig) -> RunRecord:
    record = RunDirectory(directory / run.place).read()
    check_data(record.facts, dataset, config, directory / run.place)
    return record


def run_with_attention(directory: Path) -> tuple[RunConfig, Run]:
    """The first run of an experiment whose method has attention to show, with the experiment's configuration.

    Raises:
        ConfigError: it is no directory of an experiment, or no such method is among its own.
    """
    config = open_experiment(directory)
    for run in runs_of(config):
        if issubclass(method_resolver.lookup(run.method), JointScorer):
            return config, run
    able = ", ".join(name for name, cls in method_resolver.lookup_dict.items() if issubclass(cls, JointScorer))
    ran = ", ".join(dict.fromkeys((config.method, *config.baselines)))
    raise ConfigError(f"{directory} has no method with attention to show, only {ran}; train one that has it: {able}")


def check_data(facts: Mapping[str, Any], dataset: PairedDataset, config: RunConfig, where: Path) -> None:
    """Raise DataError where a run was made on other data than those that bear its dataset's name now."""
    if facts["data_hash"] != bundle_hash(dataset):
        raise DataError(
            f"{config.data} has hash {bundle_hash(dataset)} but {where} was made on {facts['data_hash']}; "
            f"put that dataset back, or train again"
        )


def check_dataset(dataset: PairedDataset) -> None:
    """Raise DataError where no method could run on a dataset: no official split, or features that are not finite."""
    if dataset.split is None:
        raise DataError(f"{dataset.name} has no official split of train and test pairs; make the bundle with one")
    dataset.require_finite()


def check_methods(config: RunConfig, dataset: PairedDataset) -> None:
    """Find what would fail an hour into the grid before anything is written."""
    methods = [
        make_method(name, **(config.hyperparameters if name == config.method else {}))
        for name in (config.method, *config.baselines)
    ]
    resolve_device(config.device)
    require_search(config.search)
    for number in range(config.splits):
        class_split = config.make_split(dataset.class_names, number)
        pairs = run_data(dataset, config, class_split).pairs
        pairs.rows_of(class_split.seen, pairs.rows("train"))
        for method in methods:
            method.check(pairs)
            method.check_classes([dataset.class_names[c] for c in class_split.seen])
        if config.select:
            _check_selection(pairs, class_split)
        assert dataset.split is not None
        part_rows(
            *(dataset.labels, dataset.split),
            class_split=None if config.protocol.setting == "standard" else class_split,
            protocol=config.protocol,
            class_names=dataset.class_names,
            label_sets=dataset.label_sets,
        )


def _check_selection(dataset: PairedDataset, class_split: ClassSplit) -> None:
    """With label sets, a class can lose all of its pairs to the line between fitting and validation classes."""
    for classes in (class_split.fitting, class_split.validation):
        try:
            dataset.rows_of(classes, dataset.rows("train"))
        except DataError as error:
            raise DataError(f"{error}; so nothing can be chosen: take another seed, or --no-select") from error
