"""Which figures a report has of joined runs, each as inline SVG with its caption and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from masln.data import bundle_hash, load_dataset
from masln.errors import DataError, MaslnError
from masln.evaluation import critical_difference
from masln.experiments import JoinedRun
from masln.experiments.record import GENERALIZED
from masln.reporting.method_figures import (
    Mark,
    draw_curves,
    draw_intervals,
    draw_seen_unseen,
    draw_shares,
    mark_methods,
)
from masln.reporting.plots import code_map
from masln.reporting.provenance import Provenance, provenance_of
from masln.reporting.rank_figures import draw_class_bars, draw_critical_difference
from masln.reporting.report import ReportTable
from masln.reporting.svg import inline_svg, page_style

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

__all__ = ["ReportFigure", "code_maps", "figures_of", "share_figures"]

_ARROWS = {"i2t": "image → text", "t2i": "text → image"}
_OVER = {
    "splits": "over class splits (Student)",
    "seeds": "over seeds (Student)",
    "queries": "over queries (bootstrap)",
}
#: A setting in whose values tables differ: what it is the share of, and how to read a curve over it.
_SHARES = {
    "unseen_share": (
        "unseen classes",
        "Galleries change with the share, so each curve is read against chance.",
    ),
    "train_share": (
        "the training pairs",
        "Methods are fitted on that share of the training pairs of each seen class; what is searched is the same.",
    ),
}
_WIDE = 8.0  # inches of a panel beside which another has no place; ours
_CLASS_METHODS = 2  # with bars of their own in the figure of classes, beside the baseline; ours


@dataclass(frozen=True, eq=False)
class ReportFigure:
    """One figure of several panels.

    Attributes:
        title: What it shows.
        caption: How to read it; alone where there is nothing to draw.
        panels: ``<svg>`` elements.
        wide: Whether a panel takes a line of its own.
        provenance: What made it.
    """

    title: str
    caption: str
    panels: list[Markup]
    provenance: Provenance
    wide: bool = False


def figures_of(table: ReportTable, name: str) -> list[ReportFigure]:
    """Draw the figures of one table that need no model.

    Args:
        table: Joined runs with their rows.
        name: Of the table on the page: begins the ids of its panels.
    """
    marks = mark_methods(table.rows_of(table.main_parts[0]), baseline=table.joined.baseline)
    makers: list[Callable[[ReportTable, Mapping[str, Mark]], tuple[str, str, list[tuple[Figure, str]]]]] = [
        _intervals,
        _seen_unseen,
        _ranks,
        _precision_recall,
        _classes,
    ]
    found = []
    for number, make in enumerate(makers):
        with page_style():
            title, caption, panels = make(table, marks)
        found.append(_figure(title, caption, panels, f"{name}-{number}", provenance_of(table.joined)))
    return found


def share_figures(tables: Sequence[ReportTable], name: str) -> list[ReportFigure]:
    """Draw mAP over the share of unseen classes, and over that of the training pairs, of tables of one dataset.

    Tables under one protocol make a figure of a share where they differ in it alone.
    """
    found = []
    for share, (of, reading) in _SHARES.items():
        groups: dict[tuple[Any, ...], dict[float, ReportTable]] = {}
        for table in tables:
            value = getattr(table.joined, share)
            rest = (
                table.joined.protocol.hash,
                table.joined.class_split,
                table.joined.runs[0].config.listed,
                *(getattr(table.joined, other) for other in _SHARES if other != share),
            )
            if value is not None:
                groups.setdefault(rest, {})[value] = table
        curves = [by_share for by_share in groups.values() if len(by_share) > 1]
        for number, by_share in enumerate(curves):
            figure = _share_figure(by_share, of, reading, name=f"{name}-{share}-{number}", alone=len(curves) == 1)
            found.append(figure)
    return found


def _share_figure(
    by_share: Mapping[float, ReportTable], of: str, reading: str, *, name: str, alone: bool
) -> ReportFigure:
    first = next(iter(by_share.values()))
    runs = [run for table in by_share.values() for run in table.joined.runs]
    panels = []
    for part in first.main_parts:
        rows = {share: table.rows_of(part) for share, table in by_share.items()}
        listed = pd.DataFrame([row for own in rows.values() for row in own])
        means = listed.groupby("method", sort=False)["average"].mean()
        marks = mark_methods(
            [{"method": str(method), "average": value} for method, value in means.items()],
            baseline=first.joined.baseline,
        )
        with page_style():
            panels.append((draw_shares(rows, marks, title=_part(part), of=of), _listed(part, rows[max(rows)])))
    caption = f"mAP@all by the share of {of}, with 95% intervals. {reading}"
    if not alone:  # one of several such figures
        kept = [(getattr(first.joined, share), words) for share, (words, _) in _SHARES.items() if words != of]
        fixed = [f"{value:.0%} of {words}" for value, words in kept if value is not None]
        caption += f" All with {', '.join([*fixed, first.joined.protocol.describe()])}."
    return _figure(f"Shares of {of}", caption, panels, name, provenance_of(first.joined, runs))


def code_maps(table: ReportTable, name: str, *, all_methods: bool) -> list[ReportFigure]:
    """t-SNE maps of test codes of the first run of a method, from its saved model.

    Args:
        table: Joined runs.
        name: Of the table on the page.
        all_methods: Of every method but chance, and nothing may be missing; else of the first alone, and the caption
            says where its data are not at hand.

    Raises:
        MaslnError: with ``all_methods``, the data are not the runs' own or a model is damaged.
    """
    first: dict[str, JoinedRun] = {}
    for run in table.joined.runs:
        if run.record.method != "chance" or not all_methods:
            first.setdefault(run.record.method, run)
    chosen = first if all_methods else dict(list(first.items())[:1])
    found = []
    for number, (method, run) in enumerate(chosen.items()):
        title = f"Map of codes: {method}"
        panels: list[tuple[Figure, str]] = []
        try:
            with page_style():
                panels.append((_code_map(run, method), f"t-SNE map of the test codes of {method}"))
            caption = (
                f"t-SNE of the test codes of one run (class split {run.record.facts['class_split_hash']}, seed "
                f"{run.record.facts['seed']}): distances between clusters mean little, neighbourhoods do."
            )
        except (MaslnError, OSError) as error:
            if all_methods:
                raise
            caption = f"Not drawn: {error}"
        found.append(_figure(title, caption, panels, f"{name}-map{number}", provenance_of(table.joined, [run])))
    return found


def _figure(
    title: str, caption: str, panels: Sequence[tuple[Figure, str]], name: str, provenance: Provenance
) -> ReportFigure:
    drawn = [
        inline_svg(figure, name=f"{name}-{number}", description=description)
        for number, (figure, description) in enumerate(panels)
    ]
    return ReportFigure(title, caption, drawn, provenance, any(figure.get_figwidth() > _WIDE for figure, _ in panels))


def _intervals(table: ReportTable, marks: Mapping[str, Mark]) -> tuple[str, str, list[tuple[Figure, str]]]:
    parts = [*table.main_parts, *(["harmonic"] if "harmonic" in table.parts else [])]
    panels = [
        (draw_intervals(table.rows_of(part), marks, title=_part(part)), _listed(part, table.rows_of(part)))
        for part in parts
    ]
    over = {row["interval"] for row in table.rows if row["interval"]}
    caption = f"Bars: 95% intervals {' or '.join(words for key, words in _OVER.items() if key in over)}."
    if table.joined.baseline:
        caption += f" Dashed: {table.joined.baseline}."
    return "mAP by method", caption + " Dotted: chance." * ("chance" in marks), panels


def _seen_unseen(table: ReportTable, marks: Mapping[str, Mark]) -> tuple[str, str, list[tuple[Figure, str]]]:
    panels = []
    for prefix, words in (("", "own galleries"), (GENERALIZED, "joint gallery")):
        if {f"{prefix}seen", f"{prefix}unseen"} <= set(table.parts):
            seen, unseen = table.rows_of(f"{prefix}seen"), table.rows_of(f"{prefix}unseen")
            panels.append((draw_seen_unseen(seen, unseen, marks, title=words), _listed(f"{prefix}unseen", unseen)))
    caption = "Crosses: 95% intervals. Right is better on classes of the training, up on classes never trained on."
    return "Seen against unseen classes", caption if panels else "The standard setting has no unseen classes.", panels


def _ranks(table: ReportTable, marks: Mapping[str, Mark]) -> tuple[str, str, list[tuple[Figure, str]]]:
    title = "Critical differences"
    methods = [method for method in table.joined.methods if method != "chance"]
    splits = len(table.joined.class_splits)
    if splits < 2 or len(methods) < 2:
        needs = "Methods are ranked on each class split, chance left out: that needs two of both"
        return title, f"{needs}; here are {splits} class splits and {len(methods)} methods.", []
    panels, words = [], []
    for part in table.main_parts:
        listed = [(r.facts["split"], r.method, r.map(part)) for r in table.joined.records]
        frame = pd.DataFrame(listed, columns=["split", "method", "map"])
        figures = frame.pivot_table(index="split", columns="method", values="map")[methods].to_numpy()
        result = critical_difference(figures)
        panels.append(
            (
                draw_critical_difference(result, methods, marks, title=_part(part)),
                f"average ranks, {part}: "
                + ", ".join(f"{methods[i]} {result.ranks[i]:.2f}" for i in np.argsort(result.ranks, kind="stable")),
            )
        )
        words.append(f"{part} p = {result.friedman_p:.2g}")
    caption = (
        f"Average ranks over {splits} class splits, chance left out; methods under one bar do not differ at .05 "
        f"(Nemenyi; Demšar 2006). All equal, by Friedman's test (F form): {', '.join(words)}. Class splits of one "
        "dataset share test pairs: the tests take them for independent, and so find a little too much."
    )
    if not result.enough:
        caption += (
            f" Too few class splits: with {splits}, not even the first and the last of {len(methods)} methods could "
            f"differ at this level; {result.needed_blocks} are needed at least."
        )
    return title, caption, panels


def _precision_recall(table: ReportTable, marks: Mapping[str, Mark]) -> tuple[str, str, list[tuple[Figure, str]]]:
    panels = [
        (
            draw_curves(table.joined.records, part, direction, marks, title=f"{_part(part)}: {arrow}"),
            f"precision at recall 0 to 1, {part}, {arrow}",
        )
        for part in table.main_parts
        for direction, arrow in _ARROWS.items()
    ]
    return "Precision and recall", "Interpolated precision at 11 points of recall, mean of all runs.", panels


def _classes(table: ReportTable, marks: Mapping[str, Mark]) -> tuple[str, str, list[tuple[Figure, str]]]:
    best = [method for method, mark in marks.items() if mark.line == "-"][:_CLASS_METHODS]
    shown = [method for method in (*best, table.joined.baseline) if method is not None] or list(marks)
    panels = []
    for part in table.main_parts:
        figures = {method: _per_class(table, part, method) for method in shown}
        chance = _per_class(table, part, "chance")
        first, *_ = figures.values()
        hardest = ", ".join(sorted(first, key=lambda name: first[name])[:3])
        panels.append(
            (
                draw_class_bars(figures, marks, chance=chance, title=_part(part)),
                f"mAP of each class, {part}; lowest of {shown[0]}: {hardest}",
            )
        )
    beside = f", beside {table.joined.baseline}" if table.joined.baseline else ""
    caption = (
        "mAP@all of the queries of each class, mean of both directions and of the runs that query it: the methods of "
        f"the highest mAP on {table.main_parts[0]}{beside}."
    )
    return "Classes", caption, panels


def _per_class(table: ReportTable, part: str, method: str) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for record in table.joined.records:
        if record.method == method:
            for direction in _ARROWS:
                for label, figure in record.parts[part][direction]["per_class_mAP"].items():
                    if figure is not None:
                        values.setdefault(table.joined.class_names[int(label)], []).append(figure)
    return {name: float(np.mean(figures)) for name, figures in values.items()}


def _code_map(run: JoinedRun, method: str) -> Figure:
    dataset = load_dataset(run.config.data)
    made_on = run.record.facts["data_hash"]
    if bundle_hash(dataset) != made_on:
        raise DataError(f"{run.config.data} has hash {bundle_hash(dataset)} but the run was made on {made_on}")
    return code_map(run.config.data, run.directory, method)


def _part(part: str) -> str:
    """The words above a panel."""
    return {"unseen": "unseen classes", "seen": "seen classes", "all": "all classes"}.get(part, part)


def _listed(part: str, rows: Sequence[Mapping[str, Any]]) -> str:
    return f"mAP, {part}: " + ", ".join(f"{row['method']} {row['average']:.3f}" for row in rows)
