"""``masln report``: tables and figures of runs that are on disk."""

from __future__ import annotations

from pathlib import Path

import click

from masln.cli.options import debug_option, json_option, quiet_option


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path())
@click.option(
    "--out",
    "outs",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    help="What is made, by its suffix: .html (tables and figures), .md, .tex (booktabs) or .csv (tables). Repeatable.",
)
@click.option(
    "--maps/--no-maps",
    default=None,
    help="t-SNE maps of the codes of every method in the page, seconds each.  [default: one, of a lone run directory]",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@json_option
@quiet_option
@debug_option
def report(
    runs: tuple[str, ...],
    outs: tuple[str, ...],
    maps: bool | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Report RUNS, one or several directories of masln train and masln compare, in one table for each dataset.

    Runs of one dataset and protocol are joined, and a method with several settings is a row for each. The page is one
    file that needs no network, and tells the configuration, hashes and versions of every figure.
    """
    from masln.reporting import check_report_target, make_report, print_report, render_report, write_page

    targets = [Path(out) for out in outs]
    for target in targets:
        check_report_target(target, overwrite=overwrite)
    made = make_report([Path(run) for run in runs], progress=not quiet)
    contents = [render_report(made, target, maps=maps, progress=not quiet) for target in targets]
    for target, content in zip(targets, contents, strict=True):
        write_page(content, target)
    print_report(made, written=targets, as_json=as_json, quiet=quiet)
