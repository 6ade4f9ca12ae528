"""``masln prepare``: one's own pictures and texts, to a bundle."""

from __future__ import annotations

from typing import Any

import click

from masln.cli.options import debug_option, json_option, quiet_option


@click.command()
@click.option("--images", required=True, type=click.Path(), metavar="DIR", help="Folder of pictures.")
@click.option("--table", required=True, type=click.Path(), metavar="FILE", help="CSV, TSV, JSON or JSON Lines.")
@click.option("--out", required=True, type=click.Path(), metavar="BUNDLE", help="Folder of the bundle.")
@click.option("--image-column", help="Pictures: paths under DIR, with or without suffix.  [default: guessed]")
@click.option("--text-column", "text_columns", multiple=True, help="Captions; may be repeated.  [default: guessed]")
@click.option("--class-column", help="Classes.  [default: guessed]")
@click.option("--split-column", help="train, validation or test; '' has a split drawn.  [default: guessed, or drawn]")
@click.option("--id-column", help="Names of pairs.  [default: guessed, or the pictures']")
@click.option("--group-column", help="Pairs of one group are never parted by a drawn split.")
@click.option("--gather", is_flag=True, help="Rows of one picture (or id) are captions of one pair.")
@click.option("--test-share", type=float, default=0.25, help="Share of test pairs of each class, drawn.")
@click.option(
    "--captions",
    type=click.Choice(["mean", "first", "concat", "each"]),
    default="mean",
    help="Several captions of a picture: mean of their features, the first, one text, or a pair each.",
)
@click.option("--mask-class-words", is_flag=True, help="Take the words of class names out of all texts.")
@click.option("--image-extractor", default="efficientnet-lite0", help="Registered name.")
@click.option("--image-set", "image_settings", multiple=True, metavar="KEY=VALUE", help="Its hyper-parameter.")
@click.option("--text-extractor", default="sentence", help="Registered name; sentence is the packaged MiniLM.")
@click.option("--text-set", "text_settings", multiple=True, metavar="KEY=VALUE", help="Its hyper-parameter.")
@click.option(
    "--class-vectors",
    default="auto",
    metavar="KIND",
    help="glove, sentence, none, a FILE of word vectors, or auto: glove where every class name has a vector.",
)
@click.option("--synonyms", type=click.Path(), metavar="FILE", help="What to read instead of some class names.")
@click.option(
    "--class-split",
    metavar="RULE",
    help="Fit a learning text extractor on seen classes only, as masln train divides them: random, parity, parity-odd "
    "or listed:FILE.",
)
@click.option("--unseen-share", type=float, default=0.5, help="Share of unseen classes of a random class split.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the drawn split and of the class split.")
@click.option("--dtype", type=click.Choice(["float32", "float16"]), default="float32", help="Of the features.")
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    help="At a missing or damaged picture, a missing text or class: stop, or drop the pair and record it.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Threads; the bundle is the same.  [default: torch's]")
@click.option("--batch-size", type=click.IntRange(min=1), default=16, help="Items that go through a network at once.")
@click.option("--name", default="", help="Name of the dataset.  [default: that of the folder]")
@click.option("--licence", default="not stated", help="Of the data, for the manifest.")
@click.option("--source", default="", help="Where the data came from, for the manifest.  [default: the table]")
@click.option("--overwrite", is_flag=True, help="Replace a bundle that is there.")
@json_option
@quiet_option
@debug_option
def prepare(
    *,
    out: str,
    image_settings: tuple[str, ...],
    text_settings: tuple[str, ...],
    class_split: str | None,
    workers: int | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    debug: bool,
    **options: Any,
) -> None:
    """Make a bundle of your own pictures and a table of their texts and classes.

    Columns that are not named are guessed where only one reading is possible, and each guess is printed. A run that was
    killed goes on where it stopped when the same command is given again.
    """
    from masln.data import parse_class_split
    from masln.errors import CheckpointError
    from masln.experiments import read_setting
    from masln.preparation import Preparation
    from masln.preparation import prepare as make
    from masln.reporting import print_prepared

    rule, listed = (None, None) if class_split is None else parse_class_split(class_split)
    settings = Preparation(
        image_settings=dict(read_setting(s, option="--image-set", example="layout=regions") for s in image_settings),
        text_settings=dict(read_setting(s, option="--text-set", example="layout=tokens") for s in text_settings),
        class_split=rule,
        listed=listed,
        **options,
    )
    try:
        prepared = make(
            settings,
            out,
            workers=workers,
            overwrite=overwrite,
            progress=not quiet,
            announce=None if as_json or quiet else click.echo,
        )
    except KeyboardInterrupt:
        raise CheckpointError(f"interrupted; {out} goes on where it stopped by the same command") from None
    print_prepared(prepared, as_json=as_json, quiet=quiet)
