"""What the figures of methods show: order, labels that do not meet, bars of the critical-difference diagram."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("matplotlib")
from matplotlib.figure import Figure
from matplotlib.text import Text

from masln.evaluation import critical_difference
from masln.reporting.method_figures import draw_intervals, draw_seen_unseen, draw_shares, mark_methods
from masln.reporting.point_labels import label_points
from masln.reporting.rank_figures import draw_class_bars, draw_critical_difference
from masln.reporting.svg import INK, SERIES, SOFT

METHODS = [f"method{number}" for number in range(9)]


def rows_of(methods, *, part: str = "unseen", shift: float = 0.0):
    figures = {name: 0.2 + 0.01 * place + shift for place, name in enumerate(methods)}
    return [
        {"part": part, "method": name, "average": value, "low": value - 0.05, "high": value + 0.05}
        for name, value in figures.items()
    ]


def texts_of(figure) -> list[str]:
    (axis,) = figure.axes
    return [text.get_text() for text in axis.texts]


def test_the_best_methods_are_told_apart_the_baseline_and_chance_always():
    marks = mark_methods(rows_of(["chance", "cca", *METHODS]), baseline="cca")
    assert list(marks) == [*METHODS[::-1], "cca", "chance"]
    assert [name for name, mark in marks.items() if mark.told_apart] == [*METHODS[:3:-1], "cca", "chance"]
    assert (marks["cca"].colour, marks["chance"].colour, marks["method8"].colour) == (INK, SOFT, SERIES[0])
    looks = [(mark.colour, mark.marker) for mark in marks.values() if mark.told_apart]
    assert len(set(looks)) == len(looks) == len({marker for _, marker in looks})


def test_intervals_stand_in_order_with_their_figures():
    rows = rows_of(METHODS)
    rows[0] |= {"low": None, "high": None}
    figure = draw_intervals(rows, mark_methods(rows, baseline=None), title="t")
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == METHODS
    assert texts_of(figure) == [f"{row['average']:.3f}" for row in rows]
    spans = [tuple(line.get_xdata()) for line in axis.lines if len(line.get_xdata()) == 2]
    assert spans == [(row["low"], row["high"]) for row in rows[1:]]


def test_an_interval_of_few_runs_does_not_stretch_the_axis_beyond_what_map_can_be():
    rows = rows_of(METHODS)
    rows[3] |= {"low": -0.7, "high": 1.4}
    for figure in (
        draw_intervals(rows, mark_methods(rows, baseline=None), title="t"),
        draw_seen_unseen(rows, rows, mark_methods(rows, baseline=None), title="t"),
    ):
        assert figure.axes[0].get_xlim() == (0, 1)
    assert figure.axes[0].get_ylim() == (0, 1)


def test_every_point_is_named():
    rows = rows_of(METHODS)
    figure = draw_seen_unseen(
        rows_of(METHODS, part="seen", shift=0.2), rows, mark_methods(rows, baseline=None), title="t"
    )
    assert sorted(texts_of(figure)) == METHODS


@pytest.mark.parametrize("spread", [0.0, 0.02, 1.0])
def test_names_of_points_do_not_meet(spread):
    figure = Figure(figsize=(6, 5), layout="constrained")
    axis = figure.subplots()
    points = [tuple(point) for point in np.random.default_rng(0).uniform(0, max(spread, 1e-6), (12, 2))]
    axis.plot(*zip(*points, strict=True), "o", (0, 1), (0, 1), "")
    label_points(figure, axis, points, [f"method {number}" for number in range(12)])
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in axis.texts]  # without the thread
    assert len(boxes) == 12
    for one, other in itertools.combinations(boxes, 2):
        assert not one.shrunk(0.98, 0.9).overlaps(other.shrunk(0.98, 0.9))


def test_shares_are_in_order_and_a_method_may_lack_one():
    by_share = {0.7: rows_of(METHODS[:3]), 0.3: rows_of(METHODS[:2], shift=0.1)}
    figure = draw_shares(by_share, mark_methods(by_share[0.7], baseline=None), title="t", of="a cake")
    (axis,) = figure.axes
    assert axis.get_xlabel() == "share of a cake"
    lines = {line.get_label(): list(line.get_xdata()) for line in axis.lines}
    assert lines["method0"] == [0.3, 0.7] and lines["method2"] == [0.7]


class TestCriticalDifference:
    def figure_of(self, figures):
        names = METHODS[: figures.shape[1]]
        marks = mark_methods(rows_of(names), baseline=None)
        result = critical_difference(figures)
        return result, draw_critical_difference(result, names, marks, title="t")

    def test_names_ranks_and_bars(self):
        figures = np.tile(np.arange(6.0), (30, 1)) + np.random.default_rng(0).normal(0, 0.4, (30, 6))
        result, figure = self.figure_of(figures)
        words = texts_of(figure)
        for name, rank in zip(METHODS, result.ranks, strict=False):
            assert any(name in text and f"{rank:.2f}" in text for text in words)
        assert f"critical difference {result.difference:.2f}" in words
        (axis,) = figure.axes
        bars = [line for line in axis.lines if line.get_linewidth() == 3]
        assert len(bars) == len(result.groups()) > 1
        levels = [line.get_ydata()[0] for line in bars]
        for one, other in itertools.combinations(bars, 2):
            apart = one.get_xdata()[1] < other.get_xdata()[0] or other.get_xdata()[1] < one.get_xdata()[0]
            assert apart or one.get_ydata()[0] != other.get_ydata()[0]
        assert len(levels) == len(bars)

    def test_a_difference_longer_than_the_axis_is_said(self):
        _, figure = self.figure_of(np.random.default_rng(0).normal(size=(2, 4)))
        assert any(text.endswith("(longer than the axis)") for text in texts_of(figure))


def test_bars_of_classes_are_by_the_first_method():
    figures = {"method0": {"low": 0.1, "a\0" + "x" * 40: 0.9}, "method1": {"low": 0.3}}
    figure = draw_class_bars(figures, mark_methods(rows_of(METHODS), baseline=None), chance={"low": 0.2}, title="t")
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["low", "a�" + "x" * 29 + "…"]
    assert [round(bar.get_width(), 3) for bar in axis.patches[:3]] == [0.1, 0.9, 0.3]
