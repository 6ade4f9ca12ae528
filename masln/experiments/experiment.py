"""An experiment: a method and its baselines over class splits and seeds, each run kept on disk as it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from masln.data import ClassSplit, PairedDataset, bundle_hash, load_dataset
from masln.errors import ConfigError, DataError, RunFailedError
from masln.evaluation import part_rows
from masln.experiments.config import RunConfig
from masln.experiments.directory import RunDirectory, open_experiment, open_saved, start_experiment, write_json
from masln.experiments.record import RunRecord, record_of
from masln.experiments.runs import Run, evaluate_method, run_apart, run_here, runs_of
from masln.experiments.seed_runs import passes_of, run_seeds_here
from masln.experiments.summary import summary_rows
from masln.models import JointScorer, load_method, make_method, method_resolver
from masln.training import resolve_device

__all__ = [
    "Experiment",
    "check_data",
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
        records: A record a run, of the methods all of whose runs ended well; two of a run that re-ranked.
        failed: Place of each run that did not, and why; only runs in processes of their own go on past one.
    """

    config: RunConfig
    directory: Path
    records: list[RunRecord]
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def failure(self) -> str:
        """One line on the runs that failed, the first of them in full; empty where none did."""
        if not self.failed:
            return ""
        place, reason = next(iter(self.failed.items()))
        more = f" ({len(self.failed) - 1} further runs failed too)" if len(self.failed) > 1 else ""
        return f"{place}: {reason}{more}; the others are kept, masln compare --resume --out {self.directory} goes on"


def run_experiment(
    config: RunConfig,
    directory: Path,
    *,
    resume: bool = False,
    progress: bool = False,
    tensorboard: bool = False,
    jobs: int | None = None,
) -> Experiment:
    """Run everything a configuration asks for.

    Args:
        config: What to run; on resume the saved one is taken instead.
        directory: The experiment's folder.
        resume: Go on where an earlier call stopped: finished runs are read, a begun one goes on.
        progress: Show bars on a terminal.
        tensorboard: Write TensorBoard events beside the JSON lines.
        jobs: Put each run into a process of its own, so many at once, and measure its peak memory; a run that fails
            does not stop the others. None runs one after the other here, up to the first that fails.

    Returns:
        All records; the folder also holds ``metrics.json``, the rows of the table.

    Raises:
        ConfigError: the folder exists, or an option is out of range.
        DataError: the dataset is malformed.
        RunFailedError: with ``jobs``, no method has all of its runs.
    """
    if resume:
        config = open_saved(directory)
    dataset = load_dataset(config.data)
    if dataset.split is None:
        raise DataError(f"{dataset.name} has no official split of train and test pairs; make the bundle with one")
    dataset.require_finite()
    _check_methods(config, dataset)
    config = start_experiment(directory, config, resume=resume)
    done = [run for run in runs_of(config) if resume and RunDirectory(directory / run.place).finished]
    for run in done:
        _read(run, directory, dataset, config)
    runs = [run for run in runs_of(config) if run not in done]
    failed: dict[str, str] = {}
    if jobs is None:
        for together in passes_of(list(runs_of(config)), config):
            if len(together) > 1 and not all(run in done for run in together):
                shown = {"progress": progress, "tensorboard": tensorboard}
                run_seeds_here(together, config, dataset, directory, resume=resume, **shown)
            elif together[0] not in done:
                run_here(
                    together[0], config, dataset, directory, resume=resume, progress=progress, tensorboard=tensorboard
                )
    else:
        failed = run_apart(runs, config, directory, resume=resume, progress=progress, jobs=jobs)
    lost = {run.method for run in runs if run.place in failed}
    ended = [_read(run, directory, dataset, config) for run in runs_of(config) if run.method not in lost]
    records = [record for run in ended for record in run.as_methods()]
    experiment = Experiment(config, directory, records, failed)
    if not records:
        raise RunFailedError(experiment.failure)
    write_json(directory / "metrics.json", {"rows": summary_rows(records, baseline=baseline_of(config))})
    return experiment


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


def _check_methods(config: RunConfig, dataset: PairedDataset) -> None:
    """Find what would fail an hour into the grid before anything is written."""
    methods = [
        make_method(name, **(config.hyperparameters if name == config.method else {}))
        for name in (config.method, *config.baselines)
    ]
    for method in methods:
        method.check(dataset)
    resolve_device(config.device)
    for number in range(config.splits):
        class_split = config.make_split(dataset.class_names, number)
        dataset.rows_of(class_split.seen, dataset.rows("train"))
        for method in methods:
            method.check_classes([dataset.class_names[c] for c in class_split.seen])
        if config.select:
            _check_selection(dataset, class_split)
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
