"""Running a grid: each run in a process of its own, none twice, and a failed one no more than a row that says so."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from masln.data import PairedDataset, bundle_hash, bundled_datasets, load_dataset
from masln.errors import ConfigError, DataError, MaslnError
from masln.experiments.cluster import Cluster, connect
from masln.experiments.config import RunConfig
from masln.experiments.directory import save_config
from masln.experiments.experiment import check_dataset, check_methods, run_experiment
from masln.experiments.freed_memory import keep_freed_memory
from masln.experiments.grid import Grid, GridEntry, GridRun, grid_runs, is_finished, write_grid
from masln.experiments.grid_table import GridTable, group_entries
from masln.experiments.processes import available_cores, run_in_processes
from masln.experiments.record import RunRecord
from masln.models import make_method
from masln.training import TrainingInterruptedError

__all__ = ["GridResult", "run_grid"]

LOG = "run.log"


@dataclass(frozen=True, eq=False)
class GridResult:
    """What a grid came to.

    Attributes:
        directory: Where its runs stand.
        tables: One for each dataset, protocol and rule of class splits.
    """

    directory: Path
    tables: list[GridTable]

    @property
    def failure(self) -> str:
        """One line on the entries that failed, the first of them in full; empty where none did."""
        failed = [(table.data, label, why) for table in self.tables for label, why in table.failed.items()]
        if not failed:
            return ""
        data, label, why = failed[0]
        more = f" ({len(failed) - 1} further rows failed too)" if len(failed) > 1 else ""
        return f"{label} on {data}: {why}{more}; the others are kept in {self.directory}"


def run_grid(
    grid: Grid,
    directory: Path,
    *,
    jobs: int | None,
    cluster: str | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> GridResult:
    """Make all runs of a grid that are not there, and read them all.

    What cannot run on its data, as is known before, is a failed row with its reason, and stops no other; so is a
    run that fails. Nothing is written where that holds for every entry.

    Args:
        grid: What to run.
        directory: Holds ``runs/KEY``, a run directory for each run, its output in ``run.log``, and ``grids/NAME.yaml``,
            which runs a grid is made of. Several grids may share it: a run that is there is not made again, and one
            that was begun goes on from its checkpoint.
        jobs: Runs at once; None takes one a core, or one alone where ``device`` is an accelerator, and leaves it to a
            cluster.
        cluster: Address of a Ray cluster, or ``auto``; see ``masln.experiments.cluster``. Data must lie there under the
            same paths. None makes the runs in processes of this machine.
        threads: Of each run; None divides the cores among the jobs. Runs record it, since figures are repeated bit
            for bit only with as many.
        progress: Show a bar on a terminal.

    Returns:
        The tables.

    Raises:
        ConfigError: a method or option is unknown, a table's labels or class splits differ, the directory cannot be
            made, or there is no such cluster.
        DataError: a dataset is not there or malformed, or no entry can run.
        MissingExtraError: Ray is not installed.
        TrainingInterruptedError: Ctrl-C; what is finished is kept, and begun runs have left their checkpoints.
    """
    datasets = _load(grid)
    groups = group_entries(grid, datasets)
    elsewhere = {"device": "cpu"} if cluster else {}  # this machine need not have the accelerator
    plans = [[_plan(entry, datasets[entry.config.data], **elsewhere) for entry in entries] for entries in groups]
    refused = [plan.refused for group in plans for plan in group if plan.refused]
    if len(refused) == len(grid.entries):
        raise refused[0]
    runs = {run.key: run for group in plans for plan in group for run in plan.runs}
    missing = [run for run in runs.values() if not run.finished(directory)]
    try:
        with connect(cluster) if cluster and missing else contextlib.nullcontext() as connected:
            jobs, threads = _divide(missing, connected, jobs, threads)
            _write_grid(directory, grid, datasets)
            finished = len(runs) - len(missing)
            failed = _make(missing, directory, connected, jobs, threads, finished=finished, progress=progress)
    except KeyboardInterrupt:
        done = sum(run.finished(directory) for run in runs.values())
        raise TrainingInterruptedError(
            f"interrupted: {done} of {len(runs)} runs are finished and kept; the same command with --resume --out "
            f"{directory} goes on"
        ) from None
    tables = []
    for entries, group in zip(groups, plans, strict=True):
        dataset = datasets[entries[0].config.data]
        records, lost = list[RunRecord](), dict[str, str]()
        for entry, plan in zip(entries, group, strict=True):
            if why := plan.failure(failed, directory):
                lost[entry.label] = why
            else:
                records += _read(entry, plan.runs, directory)
        tables.append(GridTable(entries, dataset.name, bundle_hash(dataset), records, lost))
    return GridResult(directory, tables)


def _divide(
    runs: Sequence[GridRun], cluster: Cluster | None, jobs: int | None, threads: int | None
) -> tuple[int | None, int]:
    """How many runs at once, None where a cluster sees to it, and the threads of each."""
    if cluster:
        threads = threads or cluster.threads(jobs)
        cluster.check(threads=threads, gpus=_accelerators(runs))
        return jobs, threads
    jobs = jobs or (1 if _accelerators(runs) else available_cores())
    return jobs, threads or max(1, available_cores() // jobs)


def _make(
    runs: Sequence[GridRun],
    directory: Path,
    cluster: Cluster | None,
    jobs: int | None,
    threads: int,
    *,
    finished: int,
    progress: bool,
) -> dict[str, str]:
    """Make runs; gives what went wrong, in one line, by the keys of those that failed."""
    tasks = [(run.folder(directory), _with_whole_path(run.config), run.data_hash, threads) for run in runs]
    if cluster:
        needs = {"threads": threads, "gpus": _accelerators(runs)}
        outcomes = cluster.run(make_run, tasks, log=LOG, jobs=jobs, finished=finished, progress=progress, **needs)
    else:
        assert jobs is not None
        logs = [folder / LOG for folder, *_ in tasks]
        outcomes = run_in_processes(make_run, tasks, jobs=jobs, logs=logs, finished=finished, progress=progress)
    return {run.key: why for run, why in zip(runs, outcomes, strict=True) if why}


def _accelerators(runs: Sequence[GridRun]) -> int:
    return int(any(run.config.device.startswith(("cuda", "mps")) for run in runs))


def _write_grid(directory: Path, grid: Grid, datasets: Mapping[str, PairedDataset]) -> None:
    try:
        write_grid(directory, grid, {name: bundle_hash(dataset) for name, dataset in datasets.items()})
    except OSError as error:
        raise ConfigError(f"cannot make {directory} ({error.strerror or error}); choose another --out") from error


def _with_whole_path(config: RunConfig) -> RunConfig:
    """The same with the whole path of its data, so that its run directory is read from any folder and by any worker."""
    if config.data in bundled_datasets():
        return config
    return dataclasses.replace(config, data=str(Path(config.data).resolve()))


def make_run(folder: Path, config: RunConfig, data_hash: str, threads: int) -> None:
    """Make a run that is not there, or go on with it, in a process that does nothing else.

    Args:
        folder: Of the run.
        config: Of one split and one seed.
        data_hash: That its data must have.
        threads: Of the libraries.

    Raises:
        DataError: the data are others.
    """
    import torch
    from threadpoolctl import threadpool_limits

    keep_freed_memory()
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        if is_finished(folder, config):
            return  # another grid was making it
        if (found := bundle_hash(load_dataset(config.data))) != data_hash:
            raise DataError(f"{config.data} has hash {found} on {platform.node()}, but {data_hash} when the grid began")
        save_config(folder, config)
        torch.set_num_threads(threads)
        with threadpool_limits(threads):
            run_experiment(config, folder, resume=True, alone=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait until no other process makes this run: a grid beside this one, or what a killed one left behind."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network disks know no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class _Plan(NamedTuple):
    """The runs of an entry, or why there are none."""

    runs: list[GridRun]
    refused: MaslnError | None = None

    def failure(self, failed: Mapping[str, str], directory: Path) -> str:
        """Why the entry has no row, in one line, with the log of its first run that failed; empty where it has."""
        if self.refused:
            return " ".join(str(self.refused).split())
        lost = [run for run in self.runs if run.key in failed]
        if not lost:
            return ""
        first = lost[0]
        more = f"; {len(lost) - 1} more of its {len(self.runs)} runs failed" if len(lost) > 1 else ""
        where = f"class split {first.split}, seed {first.config.method_seed}"
        log = first.folder(directory) / LOG
        return f"{failed[first.key]} ({where}{f'; log: {log}' * log.is_file()}{more})"


def _plan(entry: GridEntry, dataset: PairedDataset, **checked: Any) -> _Plan:
    try:
        check_dataset(dataset)
        check_methods(dataclasses.replace(entry.config, **checked), dataset)
    except MaslnError as error:
        return _Plan([], error)
    return _Plan(grid_runs(entry.config, bundle_hash(dataset)))


def _load(grid: Grid) -> dict[str, PairedDataset]:
    """The datasets by name; a method or hyper-parameter that is unknown is an error before any is read."""
    for entry in grid.entries:
        make_method(entry.config.method, **entry.config.hyperparameters)
    return {name: load_dataset(name) for name in dict.fromkeys(entry.config.data for entry in grid.entries)}


def _read(entry: GridEntry, runs: Sequence[GridRun], directory: Path) -> Iterator[RunRecord]:
    for run in runs:
        record = run.read(directory)
        facts = {**record.facts, "method": entry.label, "split": run.split}
        yield from RunRecord(facts, record.parts, record.per_query).as_methods()
