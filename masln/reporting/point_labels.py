"""Names beside the points of a plot, where no other name or point is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from masln.reporting.svg import SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["label_points"]

_SIZE = 9.0  # points
_LETTER, _HEIGHT = 0.66, 1.25  # of the size: width of a letter, widest of the common fonts, and height of a line; ours
_MARK = 5.0  # pixels from the middle of a point to where its mark ends; ours
_NEAR, _STEP, _FAR = 8.0, 5.0, 400.0  # pixels from a point to its name: first, next, last tried; ours
_THREAD = 16.0  # pixels from where on a thread ties the name to its point; ours
_WAYS = ((1, 0), (-1, 0), (0.7, 0.7), (0.7, -0.7), (-0.7, 0.7), (-0.7, -0.7), (0, 1), (0, -1))


class _Box(NamedTuple):
    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: _Box) -> bool:
        return not (
            self.left > other.right or self.right < other.left or self.bottom > other.top or self.top < other.bottom
        )


def label_points(figure: Figure, axis: Axes, points: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Write each point's name as near as may be, tied to it by a thread where that is not beside it.

    Args:
        figure: Of the axes; what is on them by now sets their range.
        axis: Where the points are.
        points: In data coordinates.
        names: One each.
    """
    figure.draw_without_rendering()
    size = _SIZE * figure.dpi / 72
    places = axis.transData.transform(points)
    frame = _Box(*axis.get_window_extent().extents)
    taken = [_Box(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in places]
    for index in np.argsort(-places[:, 1]).tolist():
        x, y = map(float, places[index])
        box, distance = _place(x, y, _LETTER * size * len(names[index]), _HEIGHT * size, frame, taken)
        taken.append(box)
        at = axis.transData.inverted().transform((box.left, (box.bottom + box.top) / 2))
        axis.annotate(
            names[index],
            points[index],
            xytext=(float(at[0]), float(at[1])),
            textcoords="data",
            va="center",
            fontsize=_SIZE,
            arrowprops={"arrowstyle": "-", "color": SOFT, "linewidth": 0.5} if distance > _THREAD else None,
        )


def _place(x: float, y: float, width: float, height: float, frame: _Box, taken: Sequence[_Box]) -> tuple[_Box, float]:
    """The nearest free box within the frame, and how far it is; beside the point where there is none."""
    for distance in np.arange(_NEAR, _FAR, _STEP).tolist():
        for dx, dy in _WAYS:
            left = x + dx * distance - (width if dx < 0 else width / 2 if dx == 0 else 0.0)
            bottom = y + dy * distance - height / 2
            box = _Box(left, bottom, left + width, bottom + height)
            inside = box.left >= frame.left and box.right <= frame.right
            if inside and box.bottom >= frame.bottom and box.top <= frame.top and not any(map(box.meets, taken)):
                return box, distance
    return _Box(x + _NEAR, y - height / 2, x + _NEAR + width, y + height / 2), _NEAR
