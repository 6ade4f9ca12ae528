"""What the commands that run grids for a table share: their options, and the way from a configuration to the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masln.cli.options import Decorator, cluster_option, jobs_option, threads_option

if TYPE_CHECKING:
    from masln.experiments import GridEntry, GridTable, RunConfig, SweptTable

__all__ = ["grid_options", "print_grid"]

_GRID_OPTIONS: tuple[Decorator, ...] = (
    click.option("--splits", type=click.IntRange(min=1), default=10, help="Number of random class splits."),
    jobs_option,
    threads_option,
    cluster_option,
    click.option("--parts", metavar="NAMES", help="Such as unseen,seen,harmonic.  [default: those of the setting]"),
)


def grid_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How many class splits, how the runs are made, and which parts are shown."""
    for option in reversed(_GRID_OPTIONS):
        command = option(command)
    return command


def print_grid(
    name: str,
    options: dict[str, Any],
    given: set[str],
    entries: Callable[[RunConfig], Sequence[GridEntry]],
    *,
    baseline: str = "cca",
    parted: Callable[[Sequence[GridTable]], Sequence[GridTable | SweptTable]] = list,
) -> None:
    """Run a grid, or go on with one, and print its tables.

    Args:
        name: Of the grid in its directory, and of the directory.
        options: Every option by its Python name.
        given: Names of those that the user wrote.
        entries: The rows of a configuration, of one dataset.
        baseline: Label of the entry that others are tested against.
        parted: Makes of the grid's tables those that are printed.

    Raises:
        MaslnError: nothing can run; or some runs failed, after the tables are printed.
    """
    from masln.errors import RunFailedError
    from masln.experiments import Grid, default_directory, make_config, read_grid, require_free, run_grid
    from masln.reporting import print_comparison

    quiet, as_json = options["quiet"], options["as_json"]
    if options["resume"]:
        directory = Path(options["out"])
        grid = read_grid(directory, name)
    else:
        given = given | ({"splits"} if not options["config"] else set())
        configs = [make_config(options | {"data": data}, given) for data in dict.fromkeys(options["data"])]
        grid = Grid(name, tuple(entry for config in configs for entry in entries(config)))
        directory = Path(options["out"]) if options["out"] else default_directory(*configs, what=name)
        require_free(directory)
    made = {key: options[key] for key in ("jobs", "threads", "cluster")}
    result = run_grid(grid, directory, **made, progress=not quiet)
    print_comparison(parted(result.tables), parts=options["parts"], as_json=as_json, quiet=quiet, baseline=baseline)
    if not (as_json or quiet):
        click.echo(f"run directory: {directory}")
    if result.failure:
        raise RunFailedError(result.failure)
