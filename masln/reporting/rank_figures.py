"""The critical-difference diagram, and the bars of single classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from masln.evaluation import CriticalDifference
from masln.reporting.method_figures import Mark, new_axes
from masln.reporting.svg import INK, SOFT, drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_class_bars", "draw_critical_difference"]

_SIDE = 1.7  # inches for the names at either side; ours
_LINE = 0.23  # inches a name; ours


def draw_critical_difference(
    result: CriticalDifference, methods: Sequence[str], marks: Mapping[str, Mark], *, title: str
) -> Figure:
    """Draw average ranks, the best at the left; bars join methods that do not differ (Demšar 2006, figure 1).

    Args:
        result: Its ranks are those of ``methods``.
        methods: Their names.
        marks: Their colours.
        title: Of the diagram.
    """
    bars = _levels([(result.ranks[group].min(), result.ranks[group].max()) for group in result.groups()])
    count = len(methods)
    half = (count + 1) // 2
    width, top = 7.2, 0.95
    below = top + 0.12 + 0.11 * (max((level for _, _, level in bars), default=-1) + 1)
    height = below + 0.1 + _LINE * half
    figure, axis = new_axes(title, size=(width, height + 0.35))
    axis.set(xlim=(0, width), ylim=(height, 0.2), xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    scale = (width - 2 * _SIDE) / max(count - 1, 1)

    def at(rank: float) -> float:
        return _SIDE + (rank - 1) * scale

    axis.plot([at(1), at(count)], [top, top], color=SOFT, linewidth=1)
    step = 1 if count <= 12 else 2
    for tick in range(1, count + 1, step):
        axis.plot([at(tick)] * 2, [top, top - 0.06], color=SOFT, linewidth=1)
        axis.text(at(tick), top - 0.1, str(tick), ha="center", va="bottom", fontsize=9, color=SOFT)
    end = min(at(1) + result.difference * scale, at(count))
    short = end < at(1) + result.difference * scale
    axis.plot([at(1), end], [0.45, 0.45], color=INK, linewidth=1.5, linestyle="--" if short else "-")
    for place in (at(1),) if short else (at(1), end):
        axis.plot([place] * 2, [0.4, 0.5], color=INK, linewidth=1.5)
    words = f"critical difference {result.difference:.2f}" + (" (longer than the axis)" if short else "")
    axis.text((at(1) + end) / 2 if not short else at(1), 0.37, words, ha="left" if short else "center", fontsize=9)
    for low, high, level in bars:
        y = top + 0.12 + 0.11 * level
        axis.plot([at(low) - 0.04, at(high) + 0.04], [y, y], color=INK, linewidth=3, solid_capstyle="round")
    order = np.argsort(result.ranks, kind="stable")
    for place, index in enumerate(order):
        left = place < half
        y = below + 0.1 + _LINE * (place if left else count - 1 - place)
        side = _SIDE - 0.15 if left else width - _SIDE + 0.15
        colour, rank = marks[methods[index]].colour, float(result.ranks[index])
        axis.plot([at(rank), at(rank), side], [top, y, y], color=colour, linewidth=0.9)
        name = drawable(methods[index])
        label = f"{name}  {rank:.2f}" if left else f"{rank:.2f}  {name}"
        axis.text(side + (-0.05 if left else 0.05), y, label, ha="right" if left else "left", va="center", fontsize=9)
    return figure


def draw_class_bars(
    figures: Mapping[str, Mapping[str, float]], marks: Mapping[str, Mark], *, chance: Mapping[str, float], title: str
) -> Figure:
    """Draw mAP of each class as bars, a colour a method, the classes by the first method; a tick where chance stands.

    Args:
        figures: Method to class to mAP.
        marks: Colours of the methods.
        chance: Class to mAP of random codes; may be empty.
        title: Of the panel.
    """
    first = next(iter(figures.values()))
    classes = sorted(first, key=lambda name: first[name])
    thick = 0.8 / len(figures)
    figure, axis = new_axes(title, size=(5.4, 1.1 + (0.1 + 0.11 * len(figures)) * len(classes)))
    places = np.arange(len(classes))
    for number, (method, own) in enumerate(figures.items()):
        offset = 0.4 - thick * (number + 0.5)
        axis.barh(
            places + offset,
            [own.get(name, np.nan) for name in classes],
            height=thick,
            color=marks[method].colour,
            label=drawable(method),
        )
    for place, name in enumerate(classes):
        if name in chance:
            axis.plot([chance[name]] * 2, [place - 0.5, place + 0.5], color=SOFT, linewidth=1.2)
    if chance:
        axis.plot([], [], color=SOFT, linewidth=1.2, label="chance")
    axis.set_yticks(places, [drawable(name) for name in classes], fontsize=9)
    axis.tick_params(axis="y", length=0, labelcolor=INK)
    axis.set(xlabel="mAP@all, mean of both directions", ylim=(-0.6, len(classes) - 0.4))
    axis.legend(loc="lower right", fontsize=9)
    return figure


def _levels(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float, int]]:
    """Put each bar on the first level where it touches no other."""
    ends: list[float] = []
    placed = []
    for low, high in spans:
        level = next((n for n, end in enumerate(ends) if low > end + 0.15), len(ends))
        ends[level : level + 1] = [high]
        placed.append((low, high, level))
    return placed
