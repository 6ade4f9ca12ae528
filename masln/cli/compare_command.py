"""``masln compare``: many methods, one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from masln.cli.running import run_options, written


@click.command()
@click.option("--methods", default="all", metavar="NAMES", help="Their names, parted by commas; see masln methods.")
@click.option("--splits", type=click.IntRange(min=1), default=10, help="Number of random class splits.")
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Runs side by side, sharing the cores.  [default: a core each]"
)
@click.option("--parts", metavar="NAMES", help="Such as unseen,seen,harmonic.  [default: those of the setting]")
@run_options
@click.pass_context
def compare(ctx: click.Context, /, **options: Any) -> None:
    """Run methods under one protocol and print one table: figures, p against ridge CCA, wins, time and memory.

    Each run has a process of its own: one that fails does not stop the others, and --resume goes on with what is
    missing. Every method chooses on validation classes from a search space of its own, unless --no-select.
    """
    from masln.errors import RunFailedError
    from masln.experiments import available_cores, comparison_methods, default_directory, make_config, run_experiment
    from masln.reporting import print_comparison

    given = written(ctx)
    if not (options["resume"] or (options["config"] and "methods" not in given)):
        options["method"], *others = comparison_methods(options["methods"], options["baselines"])
        options["baselines"] = ",".join(others)
        given |= {"method", "baselines"}
    if not options["config"]:
        given |= {"splits"}
    config = make_config(options, given)
    directory = Path(options["out"]) if options["out"] else default_directory(config, what="compare")
    jobs = options["jobs"] or (1 if config.device.startswith(("cuda", "mps")) else available_cores())
    experiment = run_experiment(config, directory, resume=options["resume"], progress=not options["quiet"], jobs=jobs)
    print_comparison(experiment, parts=options["parts"], as_json=options["as_json"], quiet=options["quiet"])
    if not (options["as_json"] or options["quiet"]):
        click.echo(f"run directory: {directory}")
    if experiment.failed:
        raise RunFailedError(experiment.failure)
