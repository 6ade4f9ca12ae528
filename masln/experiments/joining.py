"""Several run directories joined into tables: runs of one table share data, protocol, class splits and training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from masln.errors import CheckpointError, ConfigError
from masln.evaluation import Protocol
from masln.experiments.comparison import baseline_among
from masln.experiments.config import RunConfig, setting_words
from masln.experiments.directory import CONFIG, ENVIRONMENT, RunDirectory, open_experiment, read_json
from masln.experiments.grid import grid_names, is_finished, read_entries
from masln.experiments.record import RunRecord
from masln.experiments.runs import runs_of

__all__ = ["JoinedRun", "JoinedRuns", "join_runs"]

# Of a configuration, beside hyper-parameters.
_APART = ("class_vectors", "select", "budget", "search", "validation_share", "precision")
_NAMED_SETTINGS = 2  # in the name of a method; with more it is numbered, and a note tells them; ours


class JoinedRun(NamedTuple):
    """One run and where it comes from.

    Attributes:
        record: Its figures; ``method`` is what it is called in the joined table, and ``split`` counts there.
        directory: Its own folder.
        experiment: The run directory that it stands in, as given.
        config: Of that run directory.
        environment: Versions that it was made with.
        label: What its entry of a grid is called; empty of other runs.
    """

    record: RunRecord
    directory: Path
    experiment: Path
    config: RunConfig
    environment: Mapping[str, str]
    label: str = ""


@dataclass(frozen=True, eq=False)
class JoinedRuns:
    """Runs that stand in one table.

    Attributes:
        data: Name of the dataset.
        data_hash: Of the bundle.
        protocol: That all were scored under.
        class_split: Rule of the class splits.
        unseen_share: Share of unseen classes of a random rule, else None.
        train_share: Share of the training pairs that methods were fitted on.
        class_names: Of the dataset.
        runs: All of them, each method on the same class splits.
        notes: What a reader should know of how they were joined.
    """

    data: str
    data_hash: str
    protocol: Protocol
    class_split: str
    unseen_share: float | None
    train_share: float
    class_names: tuple[str, ...]
    runs: list[JoinedRun]
    notes: tuple[str, ...]

    @property
    def records(self) -> list[RunRecord]:
        """Of all runs."""
        return [run.record for run in self.runs]

    @property
    def methods(self) -> list[str]:
        """Each once."""
        return list(dict.fromkeys(record.method for record in self.records))

    @property
    def baseline(self) -> str | None:
        """The method that others are tested against: CCA where it ran."""
        return baseline_among(self.methods)

    @property
    def class_splits(self) -> list[str]:
        """Hash of each class split, in the order of their numbers."""
        return list(dict.fromkeys(str(record.facts["class_split_hash"]) for record in self.records))


def join_runs(directories: Sequence[Path]) -> list[JoinedRuns]:
    """Read run directories and join those of one dataset, protocol, rule of class splits and share of training pairs.

    A method that ran with different settings is a method for each of them. Of runs that stand in several directories
    (the baselines of each ``masln train``) the first counts. A class split that not every method has is left out, so
    that all means are over the same ones.

    Args:
        directories: Of ``masln train``, finished ones; or of grids, as ``masln compare`` leaves. The entries of a grid
            bear their labels, and a note tells what is not finished.

    Returns:
        Joined runs, by dataset and protocol as they come, then by share of unseen classes and of training pairs.

    Raises:
        ConfigError: a folder is no run directory, or methods have no class split in common.
        CheckpointError: runs are missing, or a file is damaged.
    """
    if not directories:
        raise ConfigError("no run directory given; name one or several that masln train or masln compare wrote")
    unique = {directory.resolve(): directory for directory in reversed(directories)}
    found: list[JoinedRun] = []
    lacking: list[_Lacking] = []
    for directory in reversed(unique.values()):
        if names := grid_names(directory):
            runs, missing = _read_grids(directory, names)
            found, lacking = found + runs, lacking + missing
        else:
            found += _read(directory)
    groups: dict[tuple[Any, ...], list[JoinedRun]] = {}
    for run in found:
        groups.setdefault(_key(run), []).append(run)
    order = list(dict.fromkeys(key[:3] for key in groups))  # data, its hash, protocol
    keys = sorted(groups, key=lambda key: (order.index(key[:3]), key[3], key[4] or 0.0, key[6]))
    joined = []
    for key in keys:
        beside = [runs[0].config.protocol for other, runs in groups.items() if other[:2] == key[:2]]
        notes = [missing.note for missing in lacking if missing.key == key[1:]]
        joined.append(_join(groups[key], [*_other_protocols(beside), *notes]))
    return joined


def _key(run: JoinedRun) -> tuple[Any, ...]:
    facts = run.record.facts
    return facts["data"], facts["data_hash"], *run.config.table


class _Lacking(NamedTuple):
    """What a table lacks: its key less the name of the data, and a note."""

    key: tuple[Any, ...]
    note: str


def _read_grids(directory: Path, names: Sequence[str]) -> tuple[list[JoinedRun], list[_Lacking]]:
    found: list[JoinedRun] = []
    lacking: list[_Lacking] = []
    for saved in (saved for name in names for saved in read_entries(directory, name)):
        label, config = saved.entry.label, saved.entry.config
        own = [run._replace(label=label) for folder in saved.runs if _is_whole(folder) for run in _read(folder)]
        found += own
        if missing := len(saved.runs) - len(own):
            why = f"{label}: {missing} of its {len(saved.runs)} runs in {directory} have failed or are not finished"
            lacking.append(_Lacking((saved.data_hash, *config.table), why))
    if not found:
        raise CheckpointError(f"no run of the grid in {directory} is finished; the command that began it goes on")
    return found, lacking


def _is_whole(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and is_finished(folder, open_experiment(folder))


def _read(directory: Path) -> list[JoinedRun]:
    config = open_experiment(directory)
    runs = list(runs_of(config))
    missing = [run.place for run in runs if not RunDirectory(directory / run.place).finished]
    if missing:
        raise CheckpointError(
            f"{directory} is unfinished: {len(missing)} of its {len(runs)} runs have no figures, the first of them "
            f"{missing[0]}; the command that began it goes on with --resume --out {directory}"
        )
    environment = read_json(directory / ENVIRONMENT)
    return [
        JoinedRun(RunDirectory(path).read(), path, directory, config, environment)
        for path in (directory / run.place for run in runs)
    ]


def _other_protocols(protocols: Sequence[Protocol]) -> list[str]:
    """A note where the tables of a dataset are not all under one protocol."""
    settings = [protocol.to_dict() for protocol in protocols]
    apart = [key for key in settings[0] if len({json.dumps(own[key]) for own in settings}) > 1]
    if not apart:
        return []
    return [f"tables of this dataset are under protocols that differ in {', '.join(apart)}: figures do not compare"]


def _join(runs: Sequence[JoinedRun], lacking: Sequence[str]) -> JoinedRuns:
    names, notes = _name_variants(runs)
    notes += dict.fromkeys(lacking)
    kept: dict[tuple[str, str, int], JoinedRun] = {}
    apart = 0.0
    for run in runs:
        facts = {**run.record.facts, "method": names[_variant(run)]}
        record = RunRecord(facts, run.record.parts, run.record.per_query)
        same = kept.setdefault((record.method, facts["class_split_hash"], facts["seed"]), run._replace(record=record))
        apart = max(apart, *(abs(same.record.map(part) - record.map(part)) for part in record.parts))
    if apart:
        notes.append(f"runs that stand in several directories differ by up to {apart:.2g} mAP; the first counts")
    common, words = _common_splits(list(kept.values()))
    joined = []
    for (_, split, _), run in kept.items():
        if split in common:
            facts = {**run.record.facts, "split": common.index(split)}
            joined.append(run._replace(record=RunRecord(facts, run.record.parts, run.record.per_query)))
    first = joined[0]
    data, data_hash, _, rule, unseen_share, _, train_share = _key(first)
    class_names = RunDirectory(first.directory).read_split().class_names
    notes += [words] if words else []
    protocol = first.config.protocol
    return JoinedRuns(data, data_hash, protocol, rule, unseen_share, train_share, class_names, joined, tuple(notes))


def _common_splits(runs: Sequence[JoinedRun]) -> tuple[list[str], str]:
    """Hashes of the class splits that all methods have, and a note on the others."""
    own: dict[str, dict[str, None]] = {}
    for run in runs:
        own.setdefault(run.record.method, {})[run.record.facts["class_split_hash"]] = None
    every = list(dict.fromkeys(split for splits in own.values() for split in splits))
    common = [split for split in every if all(split in splits for splits in own.values())]
    if len(common) == len(every):
        return common, ""
    by_count: dict[int, list[str]] = {}
    for name, splits in own.items():
        by_count.setdefault(len(splits), []).append(name)
    lacking = "; ".join(
        f"{', '.join(by_count[count])}: {count} of {len(every)}" for count in sorted(by_count) if count < len(every)
    )
    if not common:
        data = runs[0].record.facts["data"]
        raise ConfigError(
            f"no class split of {data} is common to all methods ({lacking}): report these runs apart, or run every "
            f"method with the same --seed, --splits and class split rule"
        )
    return common, f"figures are over the {len(common)} of {len(every)} class splits that every method has ({lacking})"


def _variant(run: JoinedRun) -> str:
    """Name of the method, or its label, and what was set otherwise than by default, as canonical JSON."""
    config, method = run.config, str(run.record.facts["method"])
    default = RunConfig()
    settings = dict(config.hyperparameters) if method == config.method else {}
    settings |= {name: getattr(config, name) for name in _APART if getattr(config, name) != getattr(default, name)}
    return json.dumps([run.label or method, settings], sort_keys=True)


def _name_variants(runs: Sequence[JoinedRun]) -> tuple[dict[str, str], list[str]]:
    """What each variant is called: its method, with the settings that part it from others of that method."""
    variants = list(dict.fromkeys(map(_variant, runs)))
    methods: dict[str, dict[str, dict[str, Any]]] = {}
    for variant in variants:
        method, settings = json.loads(variant)
        methods.setdefault(method, {})[variant] = settings
    names, notes = {}, []
    for method, own in methods.items():
        keys = dict.fromkeys(key for settings in own.values() for key in settings)
        apart = [key for key in keys if len({json.dumps(s.get(key), sort_keys=True) for s in own.values()}) > 1]
        for number, (variant, settings) in enumerate(own.items(), start=1):
            words = [f"{key}={setting_words(settings[key])}" for key in apart if key in settings]
            names[variant] = ", ".join([method, *words])
            if len(words) > _NAMED_SETTINGS:
                names[variant] = f"{method} ({number})"
                notes.append(f"{names[variant]}: {', '.join(words)}")
    return names, notes
