"""Grid: many runs as one value, each with a key that says all that makes it what it is."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from masln._version import __version__
from masln.errors import ConfigError
from masln.experiments.config import RunConfig, read_config
from masln.experiments.directory import RUNS, RunDirectory, write_yaml
from masln.experiments.record import RunRecord
from masln.experiments.runs import runs_of
from masln.features.pretrained import content_hash
from masln.models import make_method

__all__ = [
    "Grid",
    "GridEntry",
    "GridRun",
    "SavedEntry",
    "entries_of",
    "grid_names",
    "grid_runs",
    "is_finished",
    "read_entries",
    "read_grid",
    "run_key",
    "write_grid",
]

GRIDS = "grids"
_SAVED = ("label", "config", "data_hash", "runs")  # of an entry on disk


@dataclass(frozen=True)
class GridEntry:
    """A row of a table: one method with its settings on one dataset.

    Attributes:
        label: What it is called in its table.
        config: Its runs are those of all its class splits and seeds; it has no baselines.

    Raises:
        ConfigError: there are baselines, which are entries of their own, or seeds are to share a pass.
    """

    label: str
    config: RunConfig

    def __post_init__(self) -> None:
        if self.config.baselines:
            raise ConfigError(f"entry {self.label!r} has baselines; make each an entry of its own")
        if self.config.batch_seeds:
            raise ConfigError(f"entry {self.label!r}: runs of a grid are made one by one; leave out batch_seeds")


@dataclass(frozen=True)
class Grid:
    """Entries to run.

    Attributes:
        name: Of the grid; a file of that name in its directory says which runs it is made of.
        entries: Those of one dataset, protocol and rule of class splits form a table.

    Raises:
        ConfigError: there is no entry, or the name is no name of a file.
    """

    name: str
    entries: tuple[GridEntry, ...]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w-][\w.,=-]*", self.name):
            raise ConfigError(f"a grid's name is letters, digits, '-', '_', '.', ',' and '=', got {self.name!r}")
        if not self.entries:
            raise ConfigError(f"grid {self.name!r} has no entry")


def entries_of(config: RunConfig) -> list[GridEntry]:
    """The method of a configuration and its baselines, each an entry called by its name."""
    own = dataclasses.replace(config, baselines=())
    others = [name for name in dict.fromkeys(config.baselines) if name != config.method]
    configs = [own, *(dataclasses.replace(own, method=name, hyperparameters={}) for name in others)]
    return [GridEntry(entry.method, entry) for entry in configs]


class GridRun(NamedTuple):
    """One run of an entry.

    Attributes:
        key: See ``run_key``.
        config: Of this run alone: one class split, one seed.
        split: Number of the class split among those of the entry, from 0.
        data_hash: Of its data.
    """

    key: str
    config: RunConfig
    split: int
    data_hash: str

    def folder(self, directory: Path) -> Path:
        """Its folder in that of a grid: a run directory of one run."""
        return directory / RUNS / self.key[:16]

    def finished(self, directory: Path) -> bool:
        """Whether it is there, whole."""
        return is_finished(self.folder(directory), self.config)

    def read(self, directory: Path) -> RunRecord:
        """Its figures."""
        (run,) = runs_of(self.config)
        return RunDirectory(self.folder(directory) / run.place).read()


def is_finished(folder: Path, config: RunConfig) -> bool:
    """Whether a run directory is whole: its runs have figures, and the table, which is written last, is there."""
    runs = (RunDirectory(folder / run.place) for run in runs_of(config))
    return (folder / "metrics.json").is_file() and all(run.finished for run in runs)


def run_key(config: RunConfig, data_hash: str) -> str:
    """SHA-256 of all that makes a run what it is: its configuration, its data and the version of masln.

    The device is left out, and the data count by their hash wherever they lie, as do files of class vectors.
    """
    values = config.to_dict() | {"data": data_hash, "masln": __version__}
    values["class_vectors"] = _by_content(config.class_vectors)
    del values["device"]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _by_content(kind: str) -> str | list[str]:
    """Kind of class vectors; of a file, or a folder of attributes, what is in it."""
    path = Path(kind)
    files = sorted(path.glob("*")) if path.is_dir() else [path]
    return [content_hash(file) for file in files if file.is_file()] or kind


def grid_runs(config: RunConfig, data_hash: str) -> list[GridRun]:
    """The runs of an entry, each with a configuration of its own.

    A method without a seed has 0, so that grids with other seeds share its run.
    """
    found = []
    seeded = "seed" in make_method(config.method, **config.hyperparameters).get_params()
    for run in runs_of(config):
        own = dataclasses.replace(
            config, seed=config.seed + run.number, method_seed=run.seed if seeded else 0, splits=1, seeds=1
        )
        found.append(GridRun(run_key(own, data_hash), own, run.number, data_hash))
    return found


def write_grid(directory: Path, grid: Grid, hashes: Mapping[str, str]) -> None:
    """Leave in a grid's directory which entries and runs it is made of.

    Args:
        directory: Of the grid; others may be there.
        grid: What it is.
        hashes: Of the data, by the name or path that configurations give.
    """
    entries = []
    for entry in grid.entries:
        data_hash = hashes[entry.config.data]
        keys = [run.key[:16] for run in grid_runs(entry.config, data_hash)]
        entries.append(dict(zip(_SAVED, (entry.label, entry.config.to_dict(), data_hash, keys), strict=True)))
    (directory / GRIDS).mkdir(parents=True, exist_ok=True)
    write_yaml(directory / GRIDS / f"{grid.name}.yaml", {"masln": __version__, "entries": entries})


def grid_names(directory: Path) -> list[str]:
    """Names of the grids that were run in a directory."""
    return sorted(path.stem for path in (directory / GRIDS).glob("*.yaml"))


def read_grid(directory: Path, name: str) -> Grid:
    """Read the grid of a name that was run in a directory.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    return Grid(name, tuple(saved.entry for saved in read_entries(directory, name)))


class SavedEntry(NamedTuple):
    """An entry of a grid on disk.

    Attributes:
        entry: As it was run.
        data_hash: Of its data.
        runs: Their folders, finished or not.
    """

    entry: GridEntry
    data_hash: str
    runs: list[Path]


def read_entries(directory: Path, name: str) -> list[SavedEntry]:
    """Read the entries of a grid that was run in a directory.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    file = directory / GRIDS / f"{name}.yaml"
    if not file.is_file():
        raise ConfigError(f"nothing to resume: {directory} has no {GRIDS}/{name}.yaml; leave out --resume to start it")
    try:
        found = [[item[key] for key in _SAVED] for item in read_config(file)["entries"]]
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{file} is no grid of runs; leave out --resume to start it in another --out") from error
    return [
        SavedEntry(GridEntry(label, RunConfig.from_dict(config)), data_hash, [directory / RUNS / key for key in keys])
        for label, config, data_hash, keys in found
    ]
