"""Pages that are one file: made of a template, escaped whatever stands in the data, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from masln.errors import DataError
from masln.saving import write_atomically

__all__ = ["check_page_target", "render_page", "write_page"]


def render_page(template: str, **values: Any) -> bytes:
    """Fill in a template of this package; every value is escaped unless it is ``markupsafe.Markup``."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("masln.reporting"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    html = environment.get_template(template).render(**values)
    return html.encode("utf-8", "xmlcharrefreplace")  # half of a surrogate pair has no UTF-8


def check_page_target(target: Path, *, overwrite: bool = False) -> None:
    """See before the work whether a page may be written there.

    Raises:
        DataError: a file is there that is not to be replaced, or a folder.
    """
    if target.is_dir():
        raise DataError(f"{target} is a folder; name a file in it, such as {target / 'page.html'}")
    if target.exists() and not overwrite:
        raise DataError(f"{target} exists; choose another --out, or give --overwrite")


def write_page(content: bytes, target: Path) -> None:
    """Write a page whole or not at all; its folder is made when missing.

    Raises:
        DataError: its folder cannot be made.
        CheckpointError: the disk refuses.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make the folder {target.parent}: {error.strerror or error}") from error
    write_atomically(target, content)
