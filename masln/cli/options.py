"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

__all__ = [
    "cluster_option",
    "debug_option",
    "images_option",
    "jobs_option",
    "json_option",
    "quiet_option",
    "search_option",
    "threads_option",
]

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
quiet_option: Decorator = click.option("--quiet", is_flag=True, help="Show no progress and no notes.")
debug_option: Decorator = click.option("--debug", is_flag=True, help="Show the traceback of an error.")
jobs_option: Decorator = click.option(
    "--jobs", type=click.IntRange(min=1), help="Runs side by side, sharing the cores.  [default: a core each]"
)
threads_option: Decorator = click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Of each run, whose figures they move in the last bits.  [default: the cores, divided among the jobs]",
)
cluster_option: Decorator = click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Send the runs to a Ray cluster, HOST:PORT; auto finds one, or begins one here (extra: cluster).",
)
search_option: Decorator = click.option(
    "--search",
    type=click.Choice(["random", "tpe"]),
    default="random",
    help="How a budget is spent: drawn, or guided by the scores so far (extra: hpo).",
)
images_option: Decorator = click.option(
    "--images", type=click.Path(), metavar="DIR", help="Folder of the raw pictures.  [default: as the manifest says]"
)
