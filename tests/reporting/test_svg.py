"""Figures as SVG within a page: text stays text, colours are those of the page, ids do not meet."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("matplotlib")
from matplotlib.figure import Figure

from masln.reporting.svg import FAINT, INK, SERIES, drawable, inline_svg, page_style
from tests.reporting.page_reader import Reader

NASTY = "a<b> & \"c\" $x$ $y$ {{ 7 }} 'd' -->"


def drawn(name: str, label: str = "curve", description: str = "what it shows") -> Reader:
    with page_style():
        figure = Figure(figsize=(4, 3), layout="constrained")
        axis = figure.subplots()
        axis.plot([0, 1], [1, 2], color=SERIES[0], marker="o", label=label)
        axis.scatter([0, 1], [2, 1], color=FAINT)
        axis.text(0.2, 1.2, label, color=INK, fontweight="bold")
        axis.legend()
    return Reader(str(inline_svg(figure, name=name, description=description)))


def test_text_is_text_whatever_it_is():
    reader = drawn("f", NASTY, NASTY)
    assert reader.text.count(NASTY) == 2
    (root,) = reader.all("svg")
    assert root["aria-label"] == NASTY and root["role"] == "img"
    assert {tag for tag, _ in reader.elements} <= {"svg", "g", "path", "use", "text", "defs", "rect", "clippath"}


def test_colours_are_of_the_style_sheet_and_nothing_stands_behind():
    reader = drawn("f")
    styles = " ".join(attributes.get("style") or "" for _, attributes in reader.elements)
    assert {"var(--series-0)", "var(--faint)", "var(--ink)", "var(--soft)"} <= set(re.findall(r"var\([^)]*\)", styles))
    assert not re.findall(r"#[0-9a-f]{6}", styles) and "font-family" not in styles and "font-size" in styles


def test_two_figures_share_no_id_and_refer_to_their_own():
    one, two = drawn("one"), drawn("two")
    ids = [{attributes["id"] for _, attributes in reader.elements if "id" in attributes} for reader in (one, two)]
    assert ids[0] and not ids[0] & ids[1]
    for own, reader in zip(ids, (one, two), strict=True):
        links = [attributes["href"][1:] for _, attributes in reader.elements if "href" in attributes]
        links += re.findall(r"url\(#([^)]*)\)", " ".join(a.get("clip-path") or "" for _, a in reader.elements))
        assert links and set(links) <= own


def test_the_same_figure_is_the_same_text():
    with page_style():
        figure = Figure()
        figure.subplots().plot([1, 2])
    assert inline_svg(figure, name="f", description="") == inline_svg(figure, name="f", description="")


def test_what_xml_does_not_allow_is_replaced():
    assert drawable("a\0b\ud800c\u202ed é 水 \n") == "a�b�c�d é 水 �"
    assert "�" in drawn("f", drawable("\0\ud800")).text
