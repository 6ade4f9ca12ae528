"""``masln train``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from masln.cli.running import run_options, written


@click.command()
@click.option("--method", default="masln", help="masln, cca, chance, ...; see masln methods.")
@click.option("--splits", type=click.IntRange(min=1), default=1, help="Number of random class splits.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A configuration key or hyper-parameter.")
@run_options()
@click.option("--batch-seeds", is_flag=True, help="Train the seeds on a split in one pass; needs --no-select.")
@click.option("--tensorboard", is_flag=True, help="Also write events for TensorBoard (extra: track).")
@click.option("--plots/--no-plots", default=None, help="Draw plots.  [default: if matplotlib is installed]")
@click.pass_context
def train(ctx: click.Context, /, **options: Any) -> None:
    """Train a method for retrieval of unseen classes and print its figures beside CCA and chance.

    The run directory holds the configuration, protocol, class split, model, per-query figures and plots.
    """
    from masln.experiments import default_directory, keep_freed_memory, make_config, run_experiment
    from masln.reporting import draw_plots, plots_available, print_experiment

    given = written(ctx)
    config = make_config(options, given)
    keep_freed_memory()
    directory = Path(options["out"]) if options["out"] else default_directory(config)
    experiment = run_experiment(
        config,
        directory,
        resume=options["resume"],
        progress=not options["quiet"],
        tensorboard=options["tensorboard"],
    )
    wanted = plots_available() if options["plots"] is None else options["plots"]
    drawn = draw_plots(directory) if wanted else []
    print_experiment(experiment, as_json=options["as_json"], quiet=options["quiet"])
    if not (options["as_json"] or options["quiet"]):
        click.echo(f"run directory: {directory}" + (f" ({len(drawn)} plots)" if drawn else ""))
