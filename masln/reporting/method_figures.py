"""Figures that compare methods: mAP with intervals, seen against unseen, precision-recall, curves over shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from masln.experiments import RunRecord
from masln.reporting.point_labels import label_points
from masln.reporting.svg import FAINT, INK, SERIES, SOFT, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Mark", "draw_curves", "draw_intervals", "draw_seen_unseen", "draw_shares", "mark_methods", "new_axes"]

_TOLD_APART = 5  # colours beside those of the baseline and of chance: more are not told apart in a plot of lines; ours
_MARKERS = ("o", "s", "D", "^", "v")
_WIDTH = 5.4  # inches of a panel, two beside each other on a page; ours
Row = Mapping[str, Any]


class Mark(NamedTuple):
    """How a method is drawn; those that are not told apart by colour are faint in plots of lines."""

    colour: str
    marker: str
    line: str
    told_apart: bool


def mark_methods(rows: Sequence[Row], *, baseline: str | None) -> dict[str, Mark]:
    """Give the best methods of a part colours of their own, and the baseline and chance theirs.

    Args:
        rows: Of one part, as of ``summary_rows``.
        baseline: Drawn in ink.
    """
    marks = {}
    left = list(zip(SERIES, _MARKERS, strict=False))[:_TOLD_APART]
    for row in sorted(rows, key=lambda row: -row["average"]):
        name = row["method"]
        if name == baseline:
            marks[name] = Mark(INK, "P", "--", True)
        elif name == "chance":
            marks[name] = Mark(SOFT, "X", ":", True)
        elif left:
            colour, marker = left.pop(0)
            marks[name] = Mark(colour, marker, "-", True)
        else:
            marks[name] = Mark(SOFT, "o", "-", False)
    return marks


def draw_intervals(rows: Sequence[Row], marks: Mapping[str, Mark], *, title: str) -> Figure:
    """Draw mAP of each method of a part, the best on top, with its interval; a line where the baseline stands."""
    ordered = sorted(rows, key=lambda row: row["average"])
    figure, axis = new_axes(title, size=(_WIDTH, 1.0 + 0.24 * len(ordered)))
    for place, row in enumerate(ordered):
        mark = marks[row["method"]]
        if row["low"] is not None:
            axis.plot([row["low"], row["high"]], [place, place], color=mark.colour, linewidth=1.6)
        axis.plot([row["average"]], [place], color=mark.colour, marker=mark.marker, markersize=5.5)
        if mark.line != "-":  # the baseline, and chance
            axis.axvline(row["average"], color=mark.colour, linestyle=mark.line, linewidth=0.8, zorder=0)
        axis.annotate(
            f"{row['average']:.3f}",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            color=SOFT,
            fontsize=9,
        )
    axis.set_yticks(range(len(ordered)), [drawable(row["method"]) for row in ordered])
    axis.tick_params(axis="y", length=0, labelcolor=INK)
    axis.set(xlabel="mAP@all, mean of both directions", ylim=(-0.7, len(ordered) - 0.3), xlim=_within(axis.get_xlim()))
    axis.grid(axis="x", linewidth=0.6)
    axis.set_axisbelow(True)
    return figure


def draw_seen_unseen(seen: Sequence[Row], unseen: Sequence[Row], marks: Mapping[str, Mark], *, title: str) -> Figure:
    """Draw each method's mAP on unseen classes over that on seen ones, with both intervals."""
    figure, axis = new_axes(title, size=(6.4, 5.2))
    below = {row["method"]: row for row in seen}
    points, names = [], []
    for row in unseen:
        other, mark = below[row["method"]], marks[row["method"]]
        x, y = other["average"], row["average"]
        if row["low"] is not None:
            axis.plot([x, x], [row["low"], row["high"]], color=mark.colour, linewidth=0.9, alpha=0.35)
        if other["low"] is not None:
            axis.plot([other["low"], other["high"]], [y, y], color=mark.colour, linewidth=0.9, alpha=0.35)
        axis.plot([x], [y], color=mark.colour, marker=mark.marker, markersize=6)
        points.append((x, y))
        names.append(drawable(row["method"]))
    axis.set(xlabel="mAP@all on seen classes", ylabel="mAP@all on unseen classes")
    axis.grid(linewidth=0.6)
    axis.set_axisbelow(True)
    axis.margins(0.08)
    axis.set(xlim=_within(axis.get_xlim()), ylim=_within(axis.get_ylim()))
    label_points(figure, axis, points, names)
    return figure


def draw_curves(
    records: Sequence[RunRecord], part: str, direction: str, marks: Mapping[str, Mark], *, title: str
) -> Figure:
    """Draw the 11-point precision-recall curve of each method, the mean of its runs."""
    figure, axis = new_axes(title, size=(_WIDTH, 3.6))
    recall = np.linspace(0, 1, 11)
    for method, mark in reversed(list(marks.items())):
        curves = [r.parts[part][direction]["eleven_point_precision"] for r in records if r.method == method]
        _line(axis, recall, np.mean(np.array(curves, dtype=float), axis=0), method, mark)
    axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, None))
    _legend(axis, marks)
    return figure


def draw_shares(by_share: Mapping[float, Sequence[Row]], marks: Mapping[str, Mark], *, title: str, of: str) -> Figure:
    """Draw each method's mAP on a part over the share ``of`` something, with intervals."""
    figure, axis = new_axes(title, size=(_WIDTH, 3.8))
    for method, mark in reversed(list(marks.items())):
        own = {share: row for share, rows in sorted(by_share.items()) for row in rows if row["method"] == method}
        _line(axis, list(own), [row["average"] for row in own.values()], method, mark)
        for share, row in own.items():
            if mark.told_apart and row["low"] is not None:
                axis.plot([share, share], [row["low"], row["high"]], color=mark.colour, linewidth=1)
    axis.set(xlabel=f"share of {of}", ylabel="mAP@all", xticks=sorted(by_share))
    axis.grid(axis="y", linewidth=0.6)
    axis.set_axisbelow(True)
    _legend(axis, marks)
    return figure


def new_axes(title: str, *, size: tuple[float, float]) -> tuple[Figure, Axes]:
    """One pair of axes without a frame above and at the right; not through pyplot: no display, no global state."""
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained", figsize=size)
    axis = figure.subplots()
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title(drawable(title), loc="left")
    return figure, axis


def _within(limits: tuple[float, float]) -> tuple[float, float]:
    """No axis of mAP leaves [0, 1], as the interval of a few runs may."""
    return max(limits[0], 0.0), min(limits[1], 1.0)


def _line(axis: Axes, x: Any, y: Any, method: str, mark: Mark) -> None:
    if not mark.told_apart:
        axis.plot(x, y, color=FAINT, linewidth=1, zorder=1)
        return
    axis.plot(
        x,
        y,
        color=mark.colour,
        marker=mark.marker,
        linestyle=mark.line,
        markersize=4,
        linewidth=1.6,
        label=drawable(method),
    )


def _legend(axis: Axes, marks: Mapping[str, Mark]) -> None:
    """Below the axes, where no curve is; the best method first, as it was drawn last."""
    drawn, named = axis.get_legend_handles_labels()
    handles, labels = drawn[::-1], named[::-1]
    if not all(mark.told_apart for mark in marks.values()):
        handles += axis.plot([], [], color=FAINT, linewidth=1)
        labels.append("others")
    axis.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3, fontsize=9)
