"""``masln compare``: many methods, one table for each dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from masln.cli.running import run_options, written

_NAME = "compare"  # of the grid in its directory


@click.command()
@click.option("--methods", default="all", metavar="NAMES", help="Their names, parted by commas; see masln methods.")
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="KEY=VALUES",
    help="Values START:STOP:STEP, or a,b,c, of a configuration key, such as unseen_share, train_share (a table each), "
    "or of a hyper-parameter (a row each). Repeatable.",
)
@click.option("--splits", type=click.IntRange(min=1), default=10, help="Number of random class splits.")
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Runs side by side, sharing the cores.  [default: a core each]"
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Send the runs to a Ray cluster, HOST:PORT; auto finds one, or begins one here (extra: cluster).",
)
@click.option("--parts", metavar="NAMES", help="Such as unseen,seen,harmonic.  [default: those of the setting]")
@run_options(several=True)
@click.pass_context
def compare(ctx: click.Context, /, **options: Any) -> None:
    """Run methods under one protocol and print a table: figures, p against ridge CCA, wins, time and memory.

    Each run has a process of its own: one that fails is a row that says so and stops no other, and --resume goes on
    with what is missing. Every method chooses on validation classes from a search space of its own, unless --no-select.
    """
    from masln.errors import RunFailedError
    from masln.experiments import (
        Grid,
        comparison_methods,
        default_directory,
        entries_of,
        make_config,
        read_grid,
        read_sweep,
        require_free,
        run_grid,
        sweep_entries,
        swept_tables,
    )
    from masln.reporting import print_comparison

    given = written(ctx)
    if options["resume"]:
        directory = Path(options["out"])
        grid = read_grid(directory, _NAME)
    else:
        if not (options["config"] and "methods" not in given):
            options["method"], *others = comparison_methods(options["methods"], options["baselines"])
            options["baselines"] = ",".join(others)
            given |= {"method", "baselines"}
        if not options["config"]:
            given |= {"splits"}
        configs = [make_config(options | {"data": data}, given) for data in dict.fromkeys(options["data"])]
        directory = Path(options["out"]) if options["out"] else default_directory(*configs, what=_NAME)
        sweeps = [read_sweep(text) for text in options["sweeps"]]
        entries = [entry for config in configs for entry in sweep_entries(entries_of(config), sweeps)]
        grid = Grid(_NAME, tuple(entries))
        require_free(directory)
    result = run_grid(grid, directory, jobs=options["jobs"], cluster=options["cluster"], progress=not options["quiet"])
    tables = swept_tables(result.tables)
    print_comparison(tables, parts=options["parts"], as_json=options["as_json"], quiet=options["quiet"])
    if not (options["as_json"] or options["quiet"]):
        click.echo(f"run directory: {directory}")
    if result.failure:
        raise RunFailedError(result.failure)
