"""The page of ``masln report``: tables and figures of joined runs in one file that needs no other."""

from __future__ import annotations

from typing import Any

from masln._version import __version__
from masln.errors import MissingExtraError
from masln.progress import progress_bar
from masln.reporting.pages import render_page
from masln.reporting.plots import plots_available
from masln.reporting.provenance import provenance_of
from masln.reporting.report import Report, ReportTable
from masln.reporting.report_figures import ReportFigure, code_maps, figures_of, share_figures

__all__ = ["report_page"]


def report_page(report: Report, *, maps: bool | None = None, progress: bool = False) -> bytes:
    """Make the page.

    Args:
        report: What was read.
        maps: Draw a t-SNE map of the codes of every method, which takes seconds each; or none; by default one, where
            the report is of one run directory.
        progress: Show a bar, where standard error is a terminal.

    Returns:
        HTML in UTF-8. Without matplotlib it has the tables alone, and says so.

    Raises:
        MissingExtraError: maps were asked for, and matplotlib is not installed.
        MaslnError: maps were asked for, and data or a model are not at hand.
    """
    drawing = plots_available()
    if maps and not drawing:
        raise MissingExtraError("matplotlib", "plots", "drawing maps of codes")
    runs = [run for table in report.tables for run in table.joined.runs]
    directories = len({run.experiment for run in runs})
    alone = directories == 1
    sections: list[dict[str, Any]] = []
    with progress_bar("figures", len(report.tables), show=progress) as advance:
        for number, ((data, data_hash), tables) in enumerate(report.datasets.items(), start=1):
            shown = []
            for part, table in enumerate(tables, start=1):
                name = f"s{number}t{part}"
                figures = figures_of(table, name) if drawing else []
                if drawing and (maps or (maps is None and alone)):
                    figures += code_maps(table, name, all_methods=bool(maps))
                shown.append(_table(table, name, figures))
                advance()
            protocols = list(dict.fromkeys(table.joined.protocol.describe() for table in tables))
            section = {
                "id": f"s{number}",
                "data": data,
                "hash": data_hash,
                "protocol": protocols[0] if len(protocols) == 1 else "",  # of all; else each table has its own
                "shares": share_figures(tables, f"s{number}") if drawing else [],
                "tables": shown,
            }
            sections.append(section)
    return render_page(
        "report.html",
        title=", ".join(dict.fromkeys(data for data, _ in report.datasets)),
        about=f"{len(runs)} runs of {directories} run director{'y' if alone else 'ies'}, on {len(report.datasets)} "
        f"dataset{'s' * (len(report.datasets) > 1)}, read by masln {__version__}.",
        sections=sections,
        without_plots="" if drawing else str(MissingExtraError("matplotlib", "plots", "drawing the figures")),
    )


def _table(table: ReportTable, name: str, figures: list[ReportFigure]) -> dict[str, Any]:
    cells = table.cells()
    parts = []
    for part in table.parts:
        best = max(row["average"] for row in table.rows_of(part))
        rows = [
            {"cells": [cell for key, cell in shown.items() if key != "part"], "best": row["average"] == best}
            for row, shown in zip(table.rows, cells, strict=True)
            if row["part"] == part
        ]
        parts.append({"name": part, "rows": rows})
    return {
        "id": name,
        "about": table.about_splits,
        "protocol": table.joined.protocol.describe(),
        "columns": [key for key in cells[0] if key != "part"],
        "parts": parts,
        "notes": table.notes,
        "figures": figures,
        "provenance": provenance_of(table.joined),
    }
