"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

__all__ = ["debug_option", "images_option", "json_option", "quiet_option"]

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
quiet_option: Decorator = click.option("--quiet", is_flag=True, help="Show no progress and no notes.")
debug_option: Decorator = click.option("--debug", is_flag=True, help="Show the traceback of an error.")
images_option: Decorator = click.option(
    "--images", type=click.Path(), metavar="DIR", help="Folder of the raw pictures.  [default: as the manifest says]"
)
