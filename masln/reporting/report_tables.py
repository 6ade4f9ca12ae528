"""The tables of a report as Markdown, LaTeX (booktabs) and CSV."""

from __future__ import annotations

import html
from typing import Any

from masln.reporting.report import Report, ReportTable
from masln.reporting.tables import markdown_table

__all__ = ["report_csv", "report_latex", "report_markdown"]

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "→": r"$\to$",
    "–": "--",
    "…": r"\dots{}",
}


def report_markdown(report: Report) -> bytes:
    """A heading, the protocol and a table for each, with its notes."""
    blocks = []
    for table in report.tables:
        rows = [{_plain(key): _plain(cell) for key, cell in row.items()} for row in table.cells()]
        notes = "".join(f"- {_plain(note)}\n" for note in [*table.notes, _splits(table)])
        blocks.append(
            f"## {_plain(table.title)}\n\n{_plain(table.joined.protocol.describe())}\n\n{markdown_table(rows)}\n{notes}"
        )
    return "\n".join(blocks).encode("utf-8", "replace")


def report_latex(report: Report) -> bytes:
    """A ``table`` environment for each part of each, the best average in bold.

    For a document that loads ``booktabs`` and ``graphicx``; a table wider than the line is scaled down to it.
    """
    blocks = ["% \\usepackage{booktabs,graphicx} and \\usepackage[T1]{fontenc}\n"]
    for number, table in enumerate(report.tables, start=1):
        blocks += [_latex_table(table, part, f"masln-{number}-{part.replace(' ', '-')}") for part in table.parts]
    return "\n".join(blocks).encode("utf-8", "replace")


def report_csv(report: Report) -> bytes:
    """One row for each table, part and method, figures unrounded; nothing where there is none."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for table in report.tables:
        joined = table.joined
        about = {
            "data": joined.data,
            "data_hash": joined.data_hash,
            "protocol": joined.protocol.hash,
            "class_split": joined.class_split,
            "unseen_share": joined.unseen_share,
            "train_share": joined.train_share,
            "class_splits": len(joined.class_splits),
        }
        rows += [about | _flat(row) for row in table.rows]
    return pd.DataFrame(rows).to_csv(index=False, lineterminator="\n").encode("utf-8", "replace")


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Figures of both directions and their average (R@k, median rank) as columns of their own."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{key} {direction}": figure for direction, figure in value.items()}
        elif not (key.startswith("R@") or key == "median_rank"):  # None, of a harmonic mean
            flat[key] = value
    return flat


def _splits(table: ReportTable) -> str:
    return f"class splits: {', '.join(table.joined.class_splits)}"


def _plain(text: str) -> str:
    """Text that Markdown takes neither for HTML nor for a line of its own."""
    return " ".join(html.escape(text, quote=False).split())


def _latex_table(table: ReportTable, part: str, name: str) -> str:
    rows = [cells for row, cells in zip(table.rows, table.cells(), strict=True) if row["part"] == part]
    columns = [key for key in rows[0] if key != "part"]
    best = max(row["average"] for row in table.rows_of(part))
    lines = [
        " & ".join(_latex_cell(key, cells[key], bold=row["average"] == best) for key in columns) + r" \\"
        for row, cells in zip(table.rows_of(part), rows, strict=True)
    ]
    head = " & ".join(map(_latex, columns)) + r" \\"
    body = "\n".join(lines)
    notes = " ".join(_latex(note.rstrip(".") + ".") for note in [table.joined.protocol.describe(), *table.notes])
    return (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{_latex(f'{table.title}; mAP@all, {part}')}. {notes}}}\n\\label{{tab:{name}}}\n"
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
        f"\\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}\n\\toprule\n{head}\n\\midrule\n{body}\n\\bottomrule\n"
        "\\end{tabular}}\n\\end{table}\n"
    )


def _latex_cell(key: str, text: str, *, bold: bool) -> str:
    return rf"\textbf{{{_latex(text)}}}" if bold and key == "average" else _latex(text)


def _latex(text: str) -> str:
    # [1] after \\ would be its argument
    escaped = "".join(_LATEX.get(letter, letter) for letter in " ".join(text.split()))
    return f"{{}}{escaped}" if escaped.startswith("[") else escaped
