"""What is run beside a published table: the bundles at hand, the rows, and the grid of their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masln.data import PairedDataset, bundle_hash, find_source, load_dataset
from masln.errors import ConfigError, DataError, MaslnError, unknown_name
from masln.experiments.comparison import RIDGE_CCA
from masln.experiments.config import RunConfig
from masln.experiments.grid import Grid, GridEntry
from masln.experiments.published_table import PublishedTable, TableMethod
from masln.models import method_resolver

__all__ = ["ReproductionPlan", "TableBundle", "TableRow", "plan_reproduction"]

_OWN: Mapping[str, str] = {RIDGE_CCA: "cca", "chance": "chance"}  # rows of every table, each by its search space


@dataclass(frozen=True)
class TableRow:
    """A row: a published method, or one of ours beside it.

    Attributes:
        label: What the paper calls it; of ours, its registered name or ``RIDGE_CCA``.
        values: Of the ``RunConfig`` that runs; empty where nothing does.
        published: As it stands in the table; None for one of ours.
    """

    label: str
    values: Mapping[str, Any]
    published: TableMethod | None = None


@dataclass(frozen=True)
class TableBundle:
    """A bundle of one of the table's datasets.

    Attributes:
        dataset: Which of them.
        folder: Where it lies.
        features: What its features are, in words.
    """

    dataset: str
    folder: Path
    features: str


@dataclass(frozen=True)
class ReproductionPlan:
    """All that is decided before anything runs.

    Attributes:
        table: The published one.
        rows: In the order of the paper, then ours.
        bundles: In the order of the table's datasets.
        missing: Dataset, or folder of a bundle that cannot be taken, and why, with where to get it.
        rules: Class split rules, each a set of figures apart; the first is that of the interval and the tests.
        splits: Number of random class splits.
        seeds: Seeds of each method on each class split.
        budget: Configurations that every row may try, instead of published settings; 0: as published.
        grid: The runs.
    """

    table: PublishedTable
    rows: tuple[TableRow, ...]
    bundles: tuple[TableBundle, ...]
    missing: Mapping[str, str]
    rules: tuple[str, ...]
    splits: int
    seeds: int
    budget: int
    grid: Grid


def plan_reproduction(
    table: PublishedTable,
    root: str | Path,
    *,
    methods: Sequence[str] = (),
    splits: int = 10,
    seeds: int = 3,
    budget: int = 0,
    search: str = "random",
    seed: int = 0,
    device: str = "auto",
) -> ReproductionPlan:
    """Find the bundles and lay out the runs.

    A bundle of a dataset is the folder of that name in ``root`` or one that begins with it and a hyphen, such as
    ``wikipedia``, ``wikipedia-cnn`` and ``nus-wide-10-class``; each has figures of its own.

    Named class splits (``parity``: even classes unseen, as in DADN's code, and ``parity-odd``) are one class split
    each: they are what a published figure can be compared with, but a figure of one class split carries no claim. So
    ``splits`` random ones stand apart from them, and those have the interval, p and wins.

    Args:
        table: See ``read_table``.
        root: Folder of bundles.
        methods: Names as the table or the registry has them; none: all of the table; ``all``: of the package too.
            Ridge CCA and chance are always there.
        splits: Number of random class splits; 0 leaves the named ones. The standard setting has none.
        seeds: Seeds of each method on each class split.
        budget: Above 0, no row runs by published settings: each tries so many configurations of its own search space.
        search: How they are picked, see ``RunConfig``.
        seed: The first seed of class splits and methods.
        device: See ``RunConfig``.

    Raises:
        ConfigError: a method is unknown, or no class split is left.
        DataError: there is no such folder, or no bundle of the table in it.
    """
    standard = table.protocol.setting == "standard"
    drawn = ("random",) if splits and table.unseen_share else ()
    rules = ("all-seen",) if standard else (*drawn, *table.named_splits)
    if not rules:
        raise ConfigError(f"table {table.name} has random class splits alone; ask for one or more")
    rows = _rows(table, methods)
    bundles, missing = _find_bundles(table, Path(root))
    entries = []
    for bundle in bundles:
        for rule in rules:
            common: dict[str, Any] = {"data": str(bundle.folder), "baselines": [], "protocol": table.protocol}
            common |= {"budget": budget, "search": search, "seed": seed, "seeds": seeds, "device": device}
            if not standard:
                common |= {"class_split": rule, "splits": splits if rule == "random" else 1}
                common |= {"unseen_share": table.unseen_share} if table.unseen_share else {}
            entries += [
                GridEntry(row.label, RunConfig.from_dict({**_values(row, budget), **common}))
                for row in rows
                if row.values
            ]
    return ReproductionPlan(
        table, rows, bundles, missing, rules, splits if drawn else 0, seeds, budget, Grid(table.name, tuple(entries))
    )


def _values(row: TableRow, budget: int) -> Mapping[str, Any]:
    """Of its ``RunConfig``; with a budget its method alone, so that all rows are tuned alike."""
    return {"method": row.values["method"]} if budget else row.values


def _rows(table: PublishedTable, methods: Sequence[str]) -> tuple[TableRow, ...]:
    printed = [
        TableRow(label, method.run_values() if method.registered else {}, method)
        for label, method in table.methods.items()
    ]
    own = [TableRow(label, {"method": name}) for label, name in _OWN.items()]
    registered = {row.values["method"] for row in (*printed, *own) if row.values}
    further = [TableRow(name, {"method": name}) for name in method_resolver.lookup_dict if name not in registered]
    if not methods:
        return (*printed, *own)
    every = (*printed, *further, *own)
    wanted: set[str] = set()
    for name in methods:
        found = every if name == "all" else [row for row in every if name.lower() in _names(row)]
        if not found:
            known = {row.label for row in every} | {str(row.values["method"]) for row in every if row.values}
            raise ConfigError(unknown_name("method", name, known))
        wanted |= {row.label for row in found}
    return tuple(row for row in every if row.label in wanted or row.label in _OWN)


def _names(row: TableRow) -> set[str]:
    return {row.label.lower(), *([row.values["method"]] if row.values else [])}


def _find_bundles(table: PublishedTable, root: Path) -> tuple[tuple[TableBundle, ...], dict[str, str]]:
    if not root.is_dir():
        raise DataError(f"no folder {root} of bundles; give the one that yours lie in by --data-root")
    bundles: list[TableBundle] = []
    missing: dict[str, str] = {}
    hashes: dict[str, Path] = {}
    for name, wanted in table.datasets.items():
        stem = name.replace("_", "-")
        folders = [path for path in sorted(root.iterdir()) if path.is_dir() and _is_of(path.name, stem)]
        for folder in folders:
            try:
                dataset = load_dataset(folder)
                _check(dataset, wanted.classes)
                if (twin := hashes.setdefault(bundle_hash(dataset), folder)) != folder:
                    raise DataError(f"it holds the same as {twin}, which has the figures of both")
            except MaslnError as error:
                missing[str(folder)] = " ".join(str(error).split())
            else:
                bundles.append(TableBundle(name, folder, _features(dataset)))
        if not folders:
            missing[name] = f"features not at hand: no bundle {root / stem} or {root / stem}-..."
            if wanted.source:
                source = find_source(wanted.source)
                missing[name] += f"; {source.where}; to a bundle: {source.recipe_command(out=root / stem)}"
    if not bundles:
        names = ", ".join(name.replace("_", "-") for name in table.datasets)
        damaged = next((f"{folder}: {why}" for folder, why in missing.items() if folder not in table.datasets), "")
        raise DataError(
            damaged
            or f"{root} holds no bundle of the table's datasets ({names}), nor one named so with a hyphen and more; "
            f"'masln data fetch' says where to get them, --data-root takes another folder"
        )
    return tuple(bundles), missing


def _is_of(folder: str, stem: str) -> bool:
    name = folder.lower().replace("_", "-")
    return name == stem or name.startswith(f"{stem}-")


def _check(dataset: PairedDataset, classes: int) -> None:
    if len(dataset.class_names) != classes:
        raise DataError(
            f"it has {len(dataset.class_names)} classes and the published table is about {classes}: another set, or "
            f"another part of it"
        )


def _features(dataset: PairedDataset) -> str:
    """Widths, and what the recipe says made them."""
    recipe = dataset.manifest.get("recipe", {})
    vectors = dataset.class_embeddings
    words = [_width("images", dataset.image.shape, recipe.get("image"))]
    words += [_width("texts", dataset.text.shape, recipe.get("text"))]
    words += ["no class vectors" if vectors is None else _width("class vectors", vectors.shape, None)]
    return "; ".join(words)


def _width(what: str, shape: tuple[int, ...], made: object) -> str:
    length = f"{shape[1]} x " if len(shape) == 3 else ""
    return f"{what} {length}{shape[-1]:,}-d" + (f" ({made})" if isinstance(made, str) else "")
