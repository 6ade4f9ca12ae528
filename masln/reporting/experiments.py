"""The table that ``masln train`` and ``masln evaluate`` print."""

from __future__ import annotations

import json
from typing import Any

from masln.experiments import Experiment, GridTable, baseline_of, summary_rows
from masln.reporting.tables import print_table

__all__ = [
    "INSTANCE_NOTE",
    "experiment_facts",
    "experiment_remarks",
    "experiment_rows",
    "experiment_title",
    "p_note",
    "print_experiment",
    "shown_row",
]


_INSTANCE = ("R@1", "R@5", "R@10", "median_rank")  # of caption retrieval; JSON has all cutoffs
INSTANCE_NOTE = (
    "R@k and median rank: image→text / text→image; found is the pair itself, or any caption of a picture that has "
    "several, each picture being searched for and among once."
)


def p_note(baseline: str = "cca") -> str:
    """What p values and wins of a table are: against which method, by which tests."""
    return (
        f"against {baseline}, Holm-corrected over the table: p (splits), paired t test over class splits, whether the "
        f"methods differ; p (queries), paired permutation test over queries, whether these fitted models do; wins: "
        f"class splits won."
    )


def print_experiment(experiment: Experiment, *, as_json: bool = False, quiet: bool = False) -> None:
    """Print the rows of an experiment under its protocol line, or everything as JSON."""
    if as_json:
        rows = summary_rows(experiment.records, baseline=baseline_of(experiment.config))
        print(json.dumps(experiment_facts(experiment) | {"rows": rows}, indent=1))
        return
    print_table(
        experiment_rows(experiment), title=experiment_title(experiment), notes=() if quiet else _notes(experiment)
    )


def experiment_facts(experiment: Experiment | GridTable) -> dict[str, Any]:
    """What was run, for JSON: protocol and class splits with their hashes, and the data."""
    config = experiment.config
    hashes = sorted({record.facts["class_split_hash"] for record in experiment.records})
    facts: dict[str, Any] = {"protocol": config.protocol.to_dict() | {"hash": config.protocol.hash}}
    facts["class_splits"] = hashes
    if config.budget:
        facts |= {"budget": config.budget, "search": config.search}
    if mixed := _mixed_pairs(experiment):
        facts["mixed_pairs"] = mixed
    if remarks := experiment_remarks(experiment):
        facts["remarks"] = remarks
    return facts | {"data": config.data}


def experiment_remarks(experiment: Experiment | GridTable) -> list[str]:
    """What the methods say of their fits, such as that a teacher's training data are unknown; each line once."""
    lines = [f"{r.method}: {remark}." for r in experiment.records for remark in r.facts.get("remarks", ())]
    return list(dict.fromkeys(lines))


def experiment_title(experiment: Experiment | GridTable) -> str:
    """Dataset, class splits and protocol, with their hashes."""
    config = experiment.config
    if isinstance(experiment, GridTable):
        data, data_hash, seeds = experiment.data, experiment.data_hash, experiment.seeds
    else:
        first = experiment.records[0].facts
        data, data_hash, seeds = first["data"], first["data_hash"], config.seeds
    splits = sorted({record.facts["class_split_hash"] for record in experiment.records})
    shown = ", ".join(splits[:3]) + (", ..." if len(splits) > 3 else "")
    runs = f"{config.splits} class split{'s' * (config.splits > 1)}, {seeds} seed{'s' * (seeds > 1)}"
    budget = f", a budget of {config.budget} configurations a method ({config.search} search)" * bool(config.budget)
    return (
        f"{data} ({data_hash}), mAP@all; class split {config.class_split}{f' [{shown}]' * bool(shown)}, {runs}"
        f"{budget}\n"
        f"{config.protocol.describe()}"
    )


def experiment_rows(experiment: Experiment) -> list[dict[str, Any]]:
    """The rows as they are printed: figures of each part and method, interval, p values, wins."""
    rows = summary_rows(experiment.records, baseline=baseline_of(experiment.config))
    return [shown_row(row) for row in rows]


def shown_row(row: dict[str, Any]) -> dict[str, Any]:
    """The cells of one row of the table."""
    low, high = row["low"], row["high"]
    cells = {
        "part": row["part"],
        "method": row["method"],
        "image→text": row["i2t"],
        "text→image": row["t2i"],
        "average": row["average"],
        "95% interval": "–" if low is None else f"[{low:.3f}, {high:.3f}] {row['interval']}",
        "p (splits)": _shown_p(row["p_splits"]),
        "p (queries)": _shown_p(row["p"]),
        "wins": row["wins"],
    }
    for name in _INSTANCE:
        if name in row:
            form = "{i2t:.1f} / {t2i:.1f}" if name == "median_rank" else "{i2t:.3f} / {t2i:.3f}"
            cells[name.replace("_", " ")] = row[name] and form.format(**row[name])
    return cells


def _shown_p(p: float | None) -> str:
    return "–" if p is None else f"{p:.4f}"


def _mixed_pairs(experiment: Experiment | GridTable) -> list[dict[str, int]]:
    """Of each class split in turn, the training and test pairs that mix seen and unseen classes; none without sets."""
    found = {r.facts["split"]: r.facts["mixed_pairs"] for r in experiment.records if "mixed_pairs" in r.facts}
    return [found[number] for number in sorted(found)]


def _notes(experiment: Experiment) -> list[str]:
    notes = []
    if baseline_of(experiment.config):
        notes.append(p_note())
    if experiment.config.protocol.relevance == "instance":
        notes.append(INSTANCE_NOTE)
    mixed = _mixed_pairs(experiment)
    if any(sum(counts.values()) for counts in mixed):
        train, test = (", ".join(str(counts[part]) for counts in mixed) for part in ("train", "test"))
        notes.append(
            f"pairs that carry seen and unseen classes are neither trained on nor queries: {train} training and {test} "
            f"test pairs{' (of each class split)' * (len(mixed) > 1)}."
        )
    notes += experiment_remarks(experiment)
    for record in experiment.records:
        if record.facts["split"] == 0 and record.facts["candidates"]:
            chosen = {
                key: record.facts["hyperparameters"][key]
                for key in record.facts["candidates"][0]
                if key in record.facts["hyperparameters"]
            }
            words = ", ".join(f"{key}={value}" for key, value in chosen.items())
            notes.append(f"{record.method} (split 0): {words}, chosen on validation classes.")
    return list(dict.fromkeys(notes))
