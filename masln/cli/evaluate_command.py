"""``masln evaluate``: repeat the figures of a saved run from its saved models."""

from __future__ import annotations

from pathlib import Path

import click

from masln.cli.options import debug_option, json_option, quiet_option


@click.command()
@click.argument("run", type=click.Path())
@json_option
@quiet_option
@debug_option
def evaluate(run: str, as_json: bool, quiet: bool, debug: bool) -> None:
    """Load the models of RUN, a directory of masln train, encode the data anew and print the figures."""
    from masln.experiments import evaluate_experiment
    from masln.reporting import print_experiment

    print_experiment(evaluate_experiment(Path(run)), as_json=as_json, quiet=quiet)
