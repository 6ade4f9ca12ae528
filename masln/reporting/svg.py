"""matplotlib figures as SVG within a page, in colours of the page's style sheet, so that they are read on dark too."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

__all__ = ["FAINT", "INK", "LINE", "SERIES", "SOFT", "drawable", "inline_svg", "page_style"]

#: Colours that stand for one of the style sheet: matplotlib draws in them, ``inline_svg`` puts the name in their place.
INK, SOFT, LINE, FAINT = "#010101", "#020202", "#030303", "#e0e0e0"
#: Of the methods that are told apart; report.css has what each is on light and on dark.
SERIES: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_NAMES: Final = {INK: "ink", SOFT: "soft", LINE: "line", FAINT: "faint"} | {
    colour: f"series-{number}" for number, colour in enumerate(SERIES)
}
_LONGEST = 32  # characters of a name beside an axis, half of a panel's width; ours
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")


@contextmanager
def page_style() -> Iterator[None]:
    """Let matplotlib draw in the page's colours, text as text, nothing behind it."""
    from matplotlib import rc_context

    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "text.parse_math": False,  # a name with two dollar signs is no formula
        "font.size": 10.0,
        "figure.facecolor": "none",
        "savefig.facecolor": "none",
        "axes.facecolor": "none",
        "axes.edgecolor": SOFT,
        "axes.labelcolor": SOFT,
        "axes.titlecolor": INK,
        "axes.titlesize": 11.0,
        "text.color": INK,
        "xtick.color": SOFT,
        "ytick.color": SOFT,
        "grid.color": LINE,
        "legend.frameon": False,
    }
    with rc_context(style):
        yield


def inline_svg(figure: Figure, *, name: str, description: str) -> Markup:
    """Make a figure an ``<svg>`` element that stands in a page beside others.

    Args:
        figure: Drawn within ``page_style``.
        name: Of the figure on the page: begins all of its ids.
        description: What it shows, for those who do not see it.
    """
    from markupsafe import Markup
    from matplotlib import rc_context

    stream = io.BytesIO()
    with page_style(), rc_context({"svg.hashsalt": name}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(stream.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            # what they hold is licence links, and a style rule that would reach the whole page
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    used = {element.attrib[_XLINK].removeprefix("#") for element in root.iter() if _XLINK in element.attrib}
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        element.tail = None
        if element.tag != "text":
            element.text = None
        own = element.attrib
        if (reference := own.pop(_XLINK, None)) is not None:
            own["href"] = f"#{name}-{reference.removeprefix('#')}"
        if (own_id := own.pop("id", None)) in used or element.tag == "clipPath":
            own["id"] = f"{name}-{own_id}"
        if "clip-path" in own:
            own["clip-path"] = own["clip-path"].replace("#", f"#{name}-")
        if "style" in own:
            own["style"] = _style(own["style"])
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "width": str(round(figure.get_figwidth() * 96)),
        "height": str(round(figure.get_figheight() * 96)),
        "role": "img",
        "aria-label": description,
    }
    return Markup(ElementTree.tostring(root, encoding="unicode", short_empty_elements=False))


def drawable(text: str) -> str:
    """A text without what XML does not allow (half surrogate pairs, control characters), cut where it is long."""
    cut = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in cut)


def _style(text: str) -> str:
    named = _COLOUR.sub(lambda found: _named(found.group()), text)
    # the page's own letters; those of matplotlib are wider, so that all fits
    return re.sub(r"font: [^;]*?([\d.]+px) [^;]*", r"font-size: \1", re.sub(r"font-family: [^;]*; ?", "", named))


def _named(colour: str) -> str:
    known = _NAMES.get(colour.lower())
    return f"var(--{known})" if known else colour
