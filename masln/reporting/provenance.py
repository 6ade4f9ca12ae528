"""Where a figure comes from: configurations, hashes and versions of joined runs, told once where they agree."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masln._version import __version__
from masln.experiments import JoinedRun, JoinedRuns
from masln.experiments.yaml_text import dump_yaml
from masln.reporting.tables import format_cell

__all__ = ["Provenance", "provenance_of"]

_SEEDS = ("seed", "method_seed")  # each run of a grid has its own


@dataclass(frozen=True)
class Provenance:
    """What made a figure.

    Attributes:
        facts: Dataset, protocol, class splits, runs and versions, in words.
        configuration: As YAML, what all run directories have in common.
        columns: Of ``varied``.
        varied: A row for each group of run directories that differ in more than their seed.
    """

    facts: dict[str, str]
    configuration: str
    columns: list[str]
    varied: list[list[str]]


def provenance_of(joined: JoinedRuns, runs: Sequence[JoinedRun] | None = None) -> Provenance:
    """Tell what made a figure; the place of the data on disk is left out, its name and hash stand for it.

    Args:
        joined: The runs of the table.
        runs: Those of the figure, where it does not show all of them.
    """
    shown = joined.runs if runs is None else runs
    directories = {run.experiment: run for run in shown}
    configs = {path: run.config.to_dict() | {"data": Path(run.config.data).name} for path, run in directories.items()}
    keys = list(next(iter(configs.values())))
    differ = [key for key in keys if len({_json(config[key]) for config in configs.values()}) > 1]
    common = {key: value for key, value in next(iter(configs.values())).items() if key not in differ}
    groups: dict[str, list[int]] = {}
    for config in configs.values():
        groups.setdefault(_json([config[key] for key in differ if key not in _SEEDS]), []).append(config["seed"])
    columns = [key for key in differ if key not in _SEEDS]
    varied = [[*(_cell(value) for value in json.loads(group)), _ranges(seeds)] for group, seeds in groups.items()]
    splits = list(dict.fromkeys(str(run.record.facts["class_split_hash"]) for run in shown))
    environments = [run.environment for run in directories.values()]
    versions = {
        name: sorted({str(environment.get(name, "?")) for environment in environments})
        for name in dict.fromkeys(name for environment in environments for name in environment)
    }
    facts = {
        "dataset": f"{joined.data} ({joined.data_hash})",
        "protocol": joined.protocol.describe().removeprefix("protocol "),
        "class splits": f"{joined.class_split} [{', '.join(splits)}]",
        "runs": f"{len(shown)} of {len(directories)} run director{'ies' if len(directories) > 1 else 'y'}",
        "methods": ", ".join(dict.fromkeys(run.record.method for run in shown)),
        "chosen on validation classes": "; ".join(_chosen(shown)) or "nothing",
        "versions of the runs": ", ".join(f"{name} {' or '.join(found)}" for name, found in versions.items()),
        "drawn by": f"masln {__version__}",
    }
    return Provenance(
        facts,
        dump_yaml(common),
        [*columns, "seeds"] if differ else [],
        varied if differ else [],
    )


def _chosen(runs: Iterable[JoinedRun]) -> list[str]:
    """Of each method, the values that selection chose and how often."""
    counts: dict[str, dict[str, int]] = {}
    for run in runs:
        facts = run.record.facts
        searched = [key for key in (facts.get("candidates") or [{}])[0] if key in facts.get("hyperparameters", {})]
        words = ", ".join(f"{key}={_cell(facts['hyperparameters'][key])}" for key in searched)
        if words:
            own = counts.setdefault(run.record.method, {})
            own[words] = own.get(words, 0) + 1
    return [
        f"{method}: " + " or ".join(f"{words}" + f" (×{count})" * (count > 1) for words, count in own.items())
        for method, own in counts.items()
    ]


def _ranges(numbers: Sequence[int]) -> str:
    """1000-1003, 1007."""
    ordered = sorted(set(numbers))
    starts = [n for n in ordered if n - 1 not in ordered]
    ends = [n for n in ordered if n + 1 not in ordered]
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _cell(value: Any) -> str:
    return _json(value) if isinstance(value, dict) else format_cell(value)
