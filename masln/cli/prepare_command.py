"""``masln prepare``: one's own pictures and texts, to a bundle."""

from __future__ import annotations

from typing import Any

import click

from masln.cli.options import debug_option
from masln.cli.preparing import feature_options, run_preparation


@click.command()
@click.option("--images", required=True, type=click.Path(), metavar="DIR", help="Folder of pictures.")
@click.option("--table", required=True, type=click.Path(), metavar="FILE", help="CSV, TSV, JSON or JSON Lines.")
@click.option("--out", required=True, type=click.Path(), metavar="BUNDLE", help="Folder of the bundle.")
@click.option("--image-column", help="Pictures: paths under DIR, with or without suffix.  [default: guessed]")
@click.option("--text-column", "text_columns", multiple=True, help="Captions; may be repeated.  [default: guessed]")
@click.option("--class-column", help="Classes.  [default: guessed]")
@click.option(
    "--label-sets-column",
    help="All classes of a pair: a list in JSON, or parted by ';'.  [default: each pair has one]",
)
@click.option("--split-column", help="train, validation or test; '' has a split drawn.  [default: guessed, or drawn]")
@click.option("--id-column", help="Names of pairs.  [default: guessed, or the pictures']")
@click.option("--group-column", help="Pairs of one group are never parted by a drawn split.")
@click.option("--gather", is_flag=True, help="Rows of one picture (or id) are captions of one pair.")
@click.option(
    "--checksums",
    type=click.Path(),
    metavar="FILE",
    help="What sha256sum wrote of the table and the pictures: they are held against it, as JPEG and WebP hide damage.",
)
@feature_options
@click.option("--name", default="", help="Name of the dataset.  [default: that of the folder]")
@click.option("--licence", default="not stated", help="Of the data, for the manifest.")
@click.option("--source", default="", help="Where the data came from, for the manifest.  [default: the table]")
@debug_option
def prepare(*, debug: bool, **options: Any) -> None:
    """Make a bundle of your own pictures and a table of their texts and classes.

    Columns that are not named are guessed where only one reading is possible, and each guess is printed. A run that was
    killed goes on where it stopped when the same command is given again.
    """
    run_preparation(**options)
