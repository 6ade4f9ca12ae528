from __future__ import annotations

import json

import pytest

from masln.reporting import markdown_table, print_facts, print_table
from masln.reporting.tables import format_cell

ROWS = [
    {"method": "masln", "average": 0.34567, "wins": None, "note": "a|b [bold]x[/bold]"},
    {"method": "cca", "average": 0.2, "wins": "3/10", "note": ["l2", "pca:8"]},
]


def test_a_plain_table_shows_every_cell_as_a_reader_wants_it(capsys):
    print_table(ROWS, title="[first] line", notes=["note [1] of two", "two"])
    out = capsys.readouterr().out
    for text in ("[first] line", "method", "average", "0.346", "0.200", "–", "3/10", "l2, pca:8", "note [1] of two"):
        assert text in out
    assert "a|b [bold]x[/bold]" in out, "a cell is text, not markup"
    assert out.index("[first] line") < out.index("masln") < out.index("cca") < out.index("note [1]")
    assert "\x1b" not in out, "no colour codes in a pipe"


def test_wide_tables_are_not_cut_in_a_pipe(capsys):
    print_table([{f"column{i}": f"value number {i}" for i in range(9)}])
    out = capsys.readouterr().out
    assert all(f"value number {i}" in out for i in range(9))


def test_json_keeps_the_numbers_whole(capsys):
    print_table(ROWS, as_json=True, title="not shown", notes=["neither"])
    assert json.loads(capsys.readouterr().out) == ROWS
    print_facts({"pairs": 3, "share": 0.123456}, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"pairs": 3, "share": 0.123456}


def test_facts_are_a_line_each(capsys):
    print_facts({"test_pairs": 3, "few": [], "complete": True, "none": None})
    out = capsys.readouterr().out
    lines = {tuple(cell.strip() for cell in line.strip("│┃ ").split("│")) for line in out.splitlines() if "│" in line}
    assert lines == {("test pairs", "3"), ("few", "none"), ("complete", "yes"), ("none", "–")}


def test_an_empty_table_is_no_error(capsys):
    print_table([])
    assert "nothing" in capsys.readouterr().out
    assert markdown_table([]) == ""


def test_markdown_escapes_what_would_break_the_table():
    text = markdown_table(ROWS)
    lines = text.splitlines()
    assert lines[0] == "| method | average | wins | note |"
    assert lines[1] == "| --- | --- | --- | --- |"
    assert lines[2] == r"| masln | 0.346 | – | a\|b [bold]x[/bold] |"
    assert text.endswith("\n") and len(lines) == 4
    assert markdown_table([{"a|b": "two\nlines"}]).count("\n") == 3
    assert r"a\|b" in markdown_table([{"a|b": 1}])


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (True, "yes"), (False, "no"), (0.12345, "0.123"), (3, "3"), ((1, 2), "1, 2"), ([], "none"), ("", "")],
)
def test_cells(value, text):
    assert format_cell(value) == text
