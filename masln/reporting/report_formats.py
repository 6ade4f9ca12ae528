"""What a report is written as, by the suffix of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from masln.errors import ConfigError
from masln.reporting.pages import check_page_target
from masln.reporting.report import Report
from masln.reporting.report_page import report_page
from masln.reporting.report_tables import report_csv, report_latex, report_markdown

__all__ = ["check_report_target", "render_report"]

_TABLES: Final[dict[str, Callable[[Report], bytes]]] = {
    ".md": report_markdown,
    ".tex": report_latex,
    ".csv": report_csv,
}


def check_report_target(target: Path, *, overwrite: bool = False) -> None:
    """See before the work whether a report may be written there.

    Raises:
        ConfigError: the suffix is none that a report is written as.
        DataError: a file is there that is not to be replaced, or a folder.
    """
    check_page_target(target, overwrite=overwrite)
    if target.suffix not in (".html", *_TABLES):
        raise ConfigError(f"--out {target}: end the name in .html (tables and figures), .md, .tex or .csv (tables)")


def render_report(report: Report, target: Path, *, maps: bool | None = None, progress: bool = False) -> bytes:
    """Make what stands in a file of that name.

    Args:
        report: What was read.
        target: A name that ``check_report_target`` passed.
        maps: See ``report_page``.
        progress: Show a bar, where standard error is a terminal.
    """
    if target.suffix == ".html":
        return report_page(report, maps=maps, progress=progress)
    return _TABLES[target.suffix](report)
