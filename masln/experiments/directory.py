"""RunDirectory: what a run leaves on disk, and how it is read back."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from masln._version import __version__
from masln.data import ClassSplit
from masln.errors import CheckpointError, ConfigError
from masln.evaluation import Protocol
from masln.experiments.config import RunConfig, read_config
from masln.experiments.record import RunRecord
from masln.experiments.yaml_text import dump_yaml
from masln.models import Method
from masln.training import write_atomically

__all__ = ["RunDirectory", "open_experiment", "require_free", "start_experiment"]

CONFIG, ENVIRONMENT, RUNS = "config.yaml", "environment.json", "runs"
_RECORDED = ("torch", "numpy", "scipy", "scikit-learn", "pandas", "gensim")


class RunDirectory:
    """One run: ``metrics.json``, ``per_query.csv``, ``class_split.json``, ``model/``, ``events.jsonl``.

    Args:
        path: The folder; it need not be there to ask what is in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def finished(self) -> bool:
        """Whether the run's figures are there; they are written last."""
        return (self.path / "metrics.json").is_file()

    @property
    def begun(self) -> bool:
        """Whether an earlier call left a part of the run's work, that a resumed one takes up."""
        return any(self.path.glob("checkpoint*"))

    @property
    def checkpoint(self) -> Path:
        """Where the checkpoint of the final fit stands while it runs."""
        return self.path / "checkpoint.pt"

    @property
    def events(self) -> Path:
        """One JSON object an epoch."""
        return self.path / "events.jsonl"

    @property
    def model(self) -> Path:
        """Folder of the saved method."""
        return self.path / "model"

    def write(self, method: Method, class_split: ClassSplit, protocol: Protocol, record: RunRecord) -> None:
        """Write all that a finished run leaves; ``metrics.json`` comes last and marks it finished."""
        self.path.mkdir(parents=True, exist_ok=True)
        method.save(self.model)
        write_json(self.path / "class_split.json", class_split.to_dict())
        write_json(self.path / "protocol.json", {**protocol.to_dict(), "hash": protocol.hash})
        table = record.per_query.to_csv(index=False, lineterminator="\n")
        write_atomically(self.path / "per_query.csv", table.encode())
        write_json(self.path / "metrics.json", {**record.facts, "parts": record.parts})
        for leftover in self.path.glob("checkpoint*"):
            leftover.unlink()

    def read(self) -> RunRecord:
        """The record of a finished run.

        Raises:
            CheckpointError: a file is missing or truncated.
        """
        facts = read_json(self.path / "metrics.json")
        if not isinstance(facts, dict) or "parts" not in facts:
            raise CheckpointError(f"{self.path / 'metrics.json'} holds no figures of a run; run it again")
        try:
            # converted by float(), so that the figures come back bit for bit
            converters: dict[str, Callable[[str], Any]] = {"id": str, "average_precision": _figure}
            per_query = pd.read_csv(self.path / "per_query.csv", converters=converters)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{self.path / 'per_query.csv'} cannot be read ({error}); run it again") from error
        if lacking := {"part", "direction", "row", "average_precision"} - set(per_query):
            raise CheckpointError(f"{self.path / 'per_query.csv'} lacks the columns {sorted(lacking)}; run it again")
        return RunRecord(facts, facts.pop("parts"), per_query)

    def read_split(self) -> ClassSplit:
        """The class split of the run."""
        return ClassSplit.from_dict(read_json(self.path / "class_split.json"))


def start_experiment(directory: Path, config: RunConfig, *, resume: bool) -> RunConfig:
    """Make the experiment's folder and save its configuration, or take up one that is there.

    Returns:
        The configuration to run: on resume, the saved one.

    Raises:
        ConfigError: the folder holds something already and ``resume`` was not asked, or nothing can be resumed.
    """
    if resume:
        return open_saved(directory)
    require_free(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make {directory} ({error.strerror or error}); choose another --out") from error
    save_config(directory, config)
    return config


def require_free(directory: Path) -> None:
    """Raise ConfigError where a folder holds something already."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigError(f"{directory} exists; choose another --out, or add --resume to go on with it")


def save_config(directory: Path, config: RunConfig) -> None:
    """Write the configuration of an experiment and the versions that it runs with into its folder."""
    write_json(directory / ENVIRONMENT, _environment())
    write_yaml(directory / CONFIG, config.to_dict())


def open_saved(directory: Path) -> RunConfig:
    """Read the configuration of a run that is to be resumed.

    Raises:
        ConfigError: there is none.
    """
    if not (directory / CONFIG).is_file():
        raise ConfigError(f"nothing to resume: {directory} has no {CONFIG}; leave out --resume to start it")
    return RunConfig.from_dict(read_config(directory / CONFIG))


def open_experiment(directory: Path) -> RunConfig:
    """Read the configuration of an experiment's folder.

    Raises:
        ConfigError: it is no such folder.
    """
    if not (directory / CONFIG).is_file():
        grid = f"a folder in {directory / RUNS}, which a grid wrote" if (directory / RUNS).is_dir() else ""
        advice = grid or "one that masln train wrote"
        raise ConfigError(f"{directory} is no run directory: it has no {CONFIG}; give {advice}")
    return RunConfig.from_dict(read_config(directory / CONFIG))


def _figure(text: str) -> float:
    return float(text or "nan")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file atomically."""
    write_atomically(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def write_yaml(path: Path, value: Mapping[str, Any]) -> None:
    """Write a YAML file atomically."""
    write_atomically(path, dump_yaml(dict(value)).encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file.

    Raises:
        CheckpointError: it is missing or truncated.
    """
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); run it again") from error
    return value


def _environment() -> dict[str, str]:
    versions = {name: version(name) for name in _RECORDED}
    return {"masln": __version__, "python": platform.python_version(), "machine": platform.machine(), **versions}
