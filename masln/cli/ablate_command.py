"""``masln ablate``: MASLN without each of its losses and parts, in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from masln.cli.running import run_options, written

_NAME = "ablate"  # of the grid in its directory


@click.command()
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A configuration key or hyper-parameter.")
@click.option(
    "--class-vectors",
    default="sentence,random",
    metavar="KINDS",
    help="Class embeddings to try in the place of the dataset's own, parted by commas: glove, sentence, random, or a "
    "file of word vectors, such as word2vec.",
)
@click.option("--splits", type=click.IntRange(min=1), default=10, help="Number of random class splits.")
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Runs side by side, sharing the cores.  [default: a core each]"
)
@click.option("--parts", metavar="NAMES", help="Such as unseen,seen,harmonic.  [default: those of the setting]")
@run_options(several=True, select=False, baselines="")
@click.pass_context
def ablate(ctx: click.Context, /, **options: Any) -> None:
    """Switch off each loss and part of MASLN, one at a time, and print one table, tested against the whole method.

    Every row has MASLN's defaults but for what its name says; with --select, or --budget, each chooses the others on
    validation classes. A row that cannot run says why, and stops no other.
    """
    from masln.errors import RunFailedError
    from masln.experiments import (
        FULL,
        Grid,
        ablation_entries,
        default_directory,
        entries_of,
        make_config,
        read_grid,
        require_free,
        run_grid,
    )
    from masln.reporting import print_comparison

    given = written(ctx)
    if options["resume"]:
        directory = Path(options["out"])
        grid = read_grid(directory, _NAME)
    else:
        if not options["config"]:
            given |= {"splits"}
        if "select" not in given:
            options["select"] = bool(options["budget"])
        given |= {"select", "baselines"}
        configs = [make_config(options | {"data": data}, given) for data in dict.fromkeys(options["data"])]
        kinds = [kind.strip() for kind in options["class_vectors"].split(",") if kind.strip()]
        entries = [
            entry
            for config in configs
            for entry in (*ablation_entries(config, class_vectors=kinds), *entries_of(config)[1:])
        ]
        directory = Path(options["out"]) if options["out"] else default_directory(*configs, what=_NAME)
        grid = Grid(_NAME, tuple(entries))
        require_free(directory)
    result = run_grid(grid, directory, jobs=options["jobs"], progress=not options["quiet"])
    print_comparison(
        result.tables, parts=options["parts"], as_json=options["as_json"], quiet=options["quiet"], baseline=FULL
    )
    if not (options["as_json"] or options["quiet"]):
        click.echo(f"run directory: {directory}")
    if result.failure:
        raise RunFailedError(result.failure)
