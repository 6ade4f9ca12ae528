"""``masln compare``: many methods, one table for each dataset."""

from __future__ import annotations

from typing import Any

import click

from masln.cli.comparing import grid_options, print_grid
from masln.cli.running import run_options, written


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
@grid_options
@run_options(several=True)
@click.pass_context
def compare(ctx: click.Context, /, **options: Any) -> None:
    """Run methods under one protocol and print a table: figures, p against ridge CCA, wins, time and memory.

    Each run has a process of its own: one that fails is a row that says so and stops no other, and --resume goes on
    with what is missing. Every method chooses on validation classes from a search space of its own, unless --no-select;
    with --budget every method tries as many configurations.
    """
    from masln.experiments import comparison_methods, entries_of, read_sweep, sweep_entries, swept_tables

    given = written(ctx)
    if not (options["resume"] or (options["config"] and "methods" not in given)):
        options["method"], *others = comparison_methods(options["methods"], options["baselines"])
        options["baselines"] = ",".join(others)
        given |= {"method", "baselines"}
    sweeps = [read_sweep(text) for text in options["sweeps"]]
    print_grid("compare", options, given, lambda config: sweep_entries(entries_of(config), sweeps), parted=swept_tables)
