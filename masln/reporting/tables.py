"""Tables: rows of plain values as a terminal table, Markdown or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["markdown_table", "print_facts", "print_table"]

Row = Mapping[str, Any]


def print_table(rows: Sequence[Row], *, as_json: bool = False, title: str = "", notes: Sequence[str] = ()) -> None:
    """Print rows to standard output.

    Args:
        rows: One mapping a row; the keys of the first are the columns.
        as_json: Print the rows as a JSON list instead.
        title: A line above the table.
        notes: Lines below it.
    """
    if as_json:
        print(json.dumps([dict(row) for row in rows], indent=1))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has no width to fit
    if title:
        console.print(Text(title))
    table = Table(header_style="bold")
    for key, value in (rows[0] if rows else {"nothing": ""}).items():
        table.add_column(key, justify="right" if isinstance(value, int | float) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(format_cell(value)) for value in row.values()))
    console.print(table)
    for note in notes:
        console.print(Text(note))


def print_facts(facts: Row, *, as_json: bool = False) -> None:
    """Print one mapping, a line a fact, or as a JSON object."""
    if as_json:
        print(json.dumps(dict(facts), indent=1))
        return
    print_table([{"fact": key.replace("_", " "), "value": format_cell(value)} for key, value in facts.items()])


def markdown_table(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table."""
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0])] + [list(map(format_cell, row.values())) for row in rows]
    escaped = [[" ".join(cell.replace("|", "\\|").splitlines()) for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in escaped) + "\n"


def format_cell(value: Any) -> str:
    """Write a value as a reader wants it: three decimals, a dash for nothing, words for lists."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
