"""``masln reproduce``: a published table, with ours beside it."""

from __future__ import annotations

from pathlib import Path

import click

from masln.cli.options import (
    cluster_option,
    debug_option,
    jobs_option,
    json_option,
    quiet_option,
    search_option,
    threads_option,
)


@click.command()
@click.argument("table", required=False)
@click.option(
    "--data-root",
    type=click.Path(),
    default="bundles",
    metavar="DIR",
    help="Folder of bundles, each named as its dataset or so with a hyphen and more: DIR/nus-wide, DIR/nus-wide-mine.",
)
@click.option(
    "--methods",
    metavar="NAMES",
    help="Rows to run, by their names in the table or in masln methods, parted by commas; all: also those of the "
    "package that the table has not.  [default: those of the table]",
)
@click.option("--splits", type=click.IntRange(min=0), default=10, help="Number of random class splits, beside parity.")
@click.option("--seeds", type=click.IntRange(min=1), default=3, help="Seeds of the method on each class split.")
@click.option(
    "--budget",
    type=click.IntRange(min=0),
    default=0,
    help="Tune all rows alike, by so many configurations each on validation classes, instead of by published settings. "
    "0: published settings, and the whole search space of rows without.",
)
@search_option
@click.option("--seed", type=click.IntRange(min=0), default=0, help="First seed of class splits and methods.")
@jobs_option
@threads_option
@cluster_option
@click.option(
    "--out",
    type=click.Path(),
    default="runs/reproduce",
    metavar="DIRECTORY",
    help="Of the runs; all tables may share it. TABLE.json and TABLE.md are left there.",
)
@click.option("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps.")
@json_option
@quiet_option
@debug_option
def reproduce(
    table: str | None,
    data_root: str,
    methods: str | None,
    splits: int,
    seeds: int,
    budget: int,
    search: str,
    seed: int,
    jobs: int | None,
    threads: int | None,
    cluster: str | None,
    out: str,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Run the published TABLE on the bundles at hand and print ours beside the published figures.

    Without TABLE, list those that there are; it may also be a YAML file of one's own. A row runs with the settings
    of its paper where these are known. A run that is in DIRECTORY is never made again, so the same command goes on
    where it stopped; datasets that are not there, rows that nothing stands for and runs that failed are named below
    the table and stop no other.
    """
    from masln.experiments import plan_reproduction, read_table
    from masln.experiments import reproduce as reproduce_table
    from masln.reporting import print_published_tables, print_reproduction, write_reproduction
    from masln.training import TrainingInterruptedError

    if table is None:
        print_published_tables(as_json=as_json)
        return
    plan = plan_reproduction(
        read_table(table),
        data_root,
        methods=[name.strip() for name in (methods or "").split(",") if name.strip()],
        splits=splits,
        seeds=seeds,
        budget=budget,
        search=search,
        seed=seed,
        device=device,
    )
    try:
        reproduction = reproduce_table(plan, Path(out), jobs=jobs, threads=threads, cluster=cluster, progress=not quiet)
    except TrainingInterruptedError:
        raise TrainingInterruptedError(
            f"interrupted; the runs that are finished are kept in {out}, the same command goes on"
        ) from None
    written = write_reproduction(reproduction)
    print_reproduction(reproduction, written=written, as_json=as_json, quiet=quiet)
