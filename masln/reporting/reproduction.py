"""A published table with ours beside it: what ``masln reproduce`` prints, and leaves as JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from masln.evaluation import Agreement
from masln.experiments import RIDGE_CCA, ReproducedDataset, ReproducedRow, Reproduction, published_tables, read_table
from masln.reporting.experiments import p_note, shown_row
from masln.reporting.tables import format_cell, markdown_table, print_table
from masln.saving import write_atomically

__all__ = ["print_published_tables", "print_reproduction", "reproduction_value", "write_reproduction"]

_RULES = {"random": "random class splits", "parity": "parity", "parity-odd": "parity-odd", "all-seen": "all classes"}
_SPLIT_WORDS = {
    "parity": "even class numbers unseen, as in DADN's code",
    "parity-odd": "odd ones unseen",
}


def print_published_tables(*, as_json: bool = False) -> None:
    """Print which tables there are."""
    tables = [read_table(name) for name in published_tables()]
    rows = [
        {
            "table": table.name,
            "shows": table.title,
            "datasets": list(table.datasets),
            "rows": len(table.methods),
            "run here": sum(bool(method.registered) for method in table.methods.values()),
            "source": list(table.sources.values()),
        }
        for table in tables
    ]
    print_table(rows, as_json=as_json)


def print_reproduction(
    reproduction: Reproduction, *, written: Sequence[Path] = (), as_json: bool = False, quiet: bool = False
) -> None:
    """Print a table for each bundle, and what could not be run.

    Args:
        reproduction: What was run.
        written: Files that were made of it.
        as_json: Print one JSON object instead.
        quiet: Print the tables alone.
    """
    if as_json:
        print(json.dumps(reproduction_value(reproduction) | {"written": list(map(str, written))}, indent=1))
        return
    for number, dataset in enumerate(reproduction.datasets, start=1):
        notes = _notes(reproduction, dataset)
        if number == len(reproduction.datasets):
            notes += [*_closing(reproduction), *(f"written: {path}" for path in written)]
        title = f"{_title(reproduction, dataset)}\n{reproduction.plan.table.protocol.describe()}"
        print_table(_cells(reproduction, dataset), title=title, notes=() if quiet else notes)


def write_reproduction(reproduction: Reproduction) -> list[Path]:
    """Leave ``TABLE.json`` and ``TABLE.md`` in the directory of the runs, named so because tables share it.

    Returns:
        Both files.
    """
    stem = reproduction.directory / reproduction.plan.table.name
    files = [stem.with_suffix(".json"), stem.with_suffix(".md")]
    value = json.dumps(reproduction_value(reproduction), indent=1, ensure_ascii=False) + "\n"
    for file, content in zip(files, (value, _markdown(reproduction)), strict=True):
        write_atomically(file, content.encode("utf-8", "replace"))
    return files


def reproduction_value(reproduction: Reproduction) -> dict[str, Any]:
    """Everything as JSON values, figures unrounded."""
    plan, table = reproduction.plan, reproduction.plan.table
    return {
        "table": table.name,
        "title": table.title,
        "protocol": table.protocol.to_dict() | {"hash": table.protocol.hash},
        "part": table.part,
        "published_features": table.features,
        "splits": plan.splits,
        "seeds": plan.seeds,
        "budget": plan.budget,
        "baseline": RIDGE_CCA,
        "settings": _settings(reproduction),
        "datasets": [_dataset_value(reproduction, dataset) for dataset in reproduction.datasets],
        "not_run": {row.label: row.published.absent for row in plan.rows if row.published and row.published.absent},
        "missing": dict(plan.missing),
    }


def _dataset_value(reproduction: Reproduction, dataset: ReproducedDataset) -> dict[str, Any]:
    return {
        "dataset": dataset.bundle.dataset,
        "bundle": str(dataset.bundle.folder),
        "data_hash": dataset.data_hash,
        "features": dataset.bundle.features,
        "class_splits": dict(dataset.class_splits),
        "agreement": {
            rule: None if found is None else {"kendall_tau": found.tau, "p": found.p, "n": found.count}
            for rule, found in dataset.agreement.items()
        },
        "rows": [
            {
                "method": row.label,
                "published": None if row.published is None else row.published._asdict() | {"source": row.source},
                "ours": {
                    rule: {key: value for key, value in figures.items() if key not in ("method", "part")}
                    | {"difference": row.difference(rule)}
                    for rule, figures in row.ours.items()
                },
                "failed": dict(row.failed),
            }
            for row in dataset.rows
        ],
    }


def _markdown(reproduction: Reproduction) -> str:
    table = reproduction.plan.table
    blocks = [f"# {table.name}: {table.title}\n\n{table.protocol.describe()}\n"]
    for dataset in reproduction.datasets:
        rows = [{key: format_cell(cell) for key, cell in cells.items()} for cells in _cells(reproduction, dataset)]
        blocks.append(
            f"## {_title(reproduction, dataset)}\n\n{markdown_table(rows)}\n{_list(_notes(reproduction, dataset))}"
        )
    blocks.append(f"## What stands behind it\n\n{_list(_closing(reproduction))}")
    return "\n".join(blocks)


def _list(notes: Sequence[str]) -> str:
    return "".join(f"- {' '.join(note.split())}\n" for note in notes)


def _title(reproduction: Reproduction, dataset: ReproducedDataset) -> str:
    plan = reproduction.plan
    runs = [f"{plan.splits} random class split{'s' * (plan.splits > 1)}"] * bool(plan.splits)
    runs += [rule for rule in plan.rules if rule not in ("random", "all-seen")]
    counts = f"{', '.join([*runs, ''])}{plan.seeds} seed{'s' * (plan.seeds > 1)}"
    return (
        f"{dataset.bundle.folder.name} ({dataset.data_hash}), {plan.table.title}: mAP@all, {plan.table.part}; {counts}"
    )


def _cells(reproduction: Reproduction, dataset: ReproducedDataset) -> list[dict[str, Any]]:
    """The table: published figures, ours over the first rule with interval and test, averages over the others."""
    main, *others = reproduction.plan.rules
    found = []
    for row in dataset.rows:
        published, ours = row.published, row.ours.get(main)
        shown = {} if ours is None else shown_row(dict(ours))
        cells: dict[str, Any] = {
            "method": row.label,
            "published i→t / t→i": published and f"{published.i2t:.3f} / {published.t2i:.3f}",
            "published": published and published.average,
            "ours i→t / t→i": ours and f"{ours['i2t']:.3f} / {ours['t2i']:.3f}",
            "ours": ours["average"] if ours else _why(row, main),
            "95% interval": shown.get("95% interval"),
            "difference": _signed(row.difference(main)),
            **{key: shown.get(key) for key in ("p (splits)", "p (queries)", "wins")},
            "tried": ours and ours["tried"],
        }
        cells |= {rule: _beside(row, rule) for rule in others}
        found.append(cells)
    return found


def _beside(row: ReproducedRow, rule: str) -> str | None:
    """The average over one rule, with its difference from the published one."""
    if rule not in row.ours:
        return _why(row, rule)
    difference = _signed(row.difference(rule))
    return f"{row.ours[rule]['average']:.3f}" + (f" ({difference})" if difference else "")


def _signed(difference: float | None) -> str | None:
    return None if difference is None else f"{difference:+.3f}"


def _why(row: ReproducedRow, rule: str) -> str | None:
    return "failed" if rule in row.failed else None


def _notes(reproduction: Reproduction, dataset: ReproducedDataset) -> list[str]:
    """What a reader must know of one bundle's table."""
    table = reproduction.plan.table
    notes = [
        f"features: ours {dataset.bundle.features}; theirs {table.features}. Where these differ, figures differ by "
        f"more than the methods."
    ]
    notes += [
        f"order of the methods, ours against the published, {_RULES[rule]}: {_tau(found)}."
        for rule, found in dataset.agreement.items()
    ]
    for row in dataset.rows:
        reasons: dict[str, list[str]] = {}
        for rule, why in row.failed.items():
            reasons.setdefault(why, []).append(rule)
        notes += [
            f"failed: {row.label} ({', '.join(_RULES[rule] for rule in rules)}): {why}"
            for why, rules in reasons.items()
        ]
    return notes


def _tau(found: Agreement | None) -> str:
    if found is None:
        return "fewer than three rows have both figures"
    return f"Kendall's tau {found.tau:+.2f} over n = {found.count} (p = {found.p:.3f})"


def _closing(reproduction: Reproduction) -> list[str]:
    """What holds for all bundles: tests, class splits, settings, what was not run and what is missing."""
    plan = reproduction.plan
    notes = [f"{_RULES[plan.rules[0]]}, {p_note(RIDGE_CCA)} {RIDGE_CCA} and chance are rows of ours."]
    named = [rule for rule in plan.rules if rule in _SPLIT_WORDS]
    if named:
        words = "; ".join(f"{rule}: {_SPLIT_WORDS[rule]}" for rule in named)
        notes.append(
            f"{words}. Each is one class split, which carries no claim; the papers report one too, and do not say for "
            f"every dataset which."
        )
    settings: dict[str, list[str]] = {}
    for label, words in _settings(reproduction).items():
        settings.setdefault(words, []).append(label)
    notes.append("tried: configurations that a run held against each other on validation classes.")
    notes += [f"settings, {words}: {', '.join(labels)}." for words, labels in settings.items()]
    notes += [f"published by: {source}." for source in plan.table.sources.values()]
    notes += [
        f"not run: {row.label}: {row.published.absent}." for row in plan.rows if row.published and row.published.absent
    ]
    notes += [f"missing: {name}: {why}." for name, why in plan.missing.items()]
    return notes


def _settings(reproduction: Reproduction) -> dict[str, str]:
    """What each row that runs was set by."""
    found = {}
    for row in reproduction.plan.rows:
        if row.values:
            published = row.published.settings if row.published else ""
            found[row.label] = f"as published ({published})" if published else "searched on validation classes"
            if reproduction.plan.budget:
                found[row.label] = f"a budget of {reproduction.plan.budget} configurations on validation classes"
    return found
