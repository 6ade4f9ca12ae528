"""``masln ablate``: MASLN without each of its losses and parts, in one table."""

from __future__ import annotations

from typing import Any

import click

from masln.cli.comparing import grid_options, print_grid
from masln.cli.running import run_options, written


@click.command()
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A configuration key or hyper-parameter.")
@click.option(
    "--class-vectors",
    default="sentence,random",
    metavar="KINDS",
    help="Class embeddings to try in the place of the dataset's own, parted by commas: glove, sentence, random, or a "
    "file of word vectors, such as word2vec.",
)
@grid_options
@run_options(several=True, select=False, baselines="")
@click.pass_context
def ablate(ctx: click.Context, /, **options: Any) -> None:
    """Switch off each loss and part of MASLN, one at a time, and print one table, tested against the whole method.

    Every row has MASLN's defaults but for what its name says; with --select, or --budget, each chooses the others on
    validation classes. A row that cannot run says why, and stops no other.
    """
    from masln.experiments import FULL, ablation_entries, entries_of

    given = written(ctx)
    if "select" not in given:
        options["select"] = bool(options["budget"])
    kinds = [kind.strip() for kind in options["class_vectors"].split(",") if kind.strip()]
    print_grid(
        "ablate",
        options,
        given | {"select", "baselines"},
        lambda config: [*ablation_entries(config, class_vectors=kinds), *entries_of(config)[1:]],
        baseline=FULL,
    )
