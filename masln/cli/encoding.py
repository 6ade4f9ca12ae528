"""What every command that encodes raw items shares: its options, and the work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masln.cli.options import Decorator

if TYPE_CHECKING:
    from masln.experiments import RawItems
    from masln.retrieval import Codes, Encoder, ModelFacts

__all__ = ["codes_of", "encode_to", "item_options", "items_of"]

_ITEM_OPTIONS: tuple[Decorator, ...] = (
    click.option("--images", type=click.Path(), metavar="DIR", help="Folder of pictures."),
    click.option(
        "--texts", type=click.Path(), metavar="FILE", help="Texts: CSV, TSV, JSON, JSON Lines, or a folder of .txt."
    ),
    click.option("--bundle", type=click.Path(), metavar="BUNDLE", help="A bundle: its pictures and its texts."),
    click.option("--part", type=click.Choice(["train", "test"]), help="Of the bundle.  [default: all]"),
    click.option("--class", "label", default="", metavar="NAME", help="Class of all items, seen or unseen."),
    click.option("--folders-are-classes", is_flag=True, help="A picture's class is the folder it lies in."),
    click.option("--class-column", help="Classes of the texts.  [default: none]"),
    click.option("--id-column", help="Names of the texts.  [default: guessed, or numbers]"),
    click.option("--text-column", "text_columns", multiple=True, help="May be repeated.  [default: guessed]"),
    click.option(
        "--on-error", type=click.Choice(["fail", "skip"]), default="fail", help="At an item that cannot be read."
    ),
    click.option("--workers", type=click.IntRange(min=1), help="Threads; the codes are the same.  [default: torch's]"),
    click.option(
        "--batch-size", type=click.IntRange(min=1), default=16, help="Items that go through a network at once."
    ),
)


def item_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what is to be encoded."""
    for option in reversed(_ITEM_OPTIONS):
        command = option(command)
    return command


def items_of(
    encoder: Encoder,
    *,
    images: str | None,
    texts: str | None,
    bundle: str | None,
    part: str | None,
    label: str,
    folders_are_classes: bool,
    class_column: str | None,
    id_column: str | None,
    text_columns: Sequence[str],
    on_error: str,
    batch_size: int,
) -> RawItems:
    """The items that the options name.

    Raises:
        ConfigError: not one of ``--images``, ``--texts`` and ``--bundle`` is given, or an option of another of them.
        MaslnError: as of the functions of ``masln.experiments.encoding``.
    """
    from masln.errors import ConfigError
    from masln.experiments import bundle_items, image_items, text_items

    sources = {"--images": images, "--texts": texts, "--bundle": bundle}
    given = [option for option, value in sources.items() if value is not None]
    if len(given) != 1:
        raise ConfigError(f"give one of {', '.join(sources)}" + (f", not {' and '.join(given)}" if given else ""))
    belongs = {
        "--part": ("--bundle", part),
        "--folders-are-classes": ("--images", folders_are_classes),
        "--class-column": ("--texts", class_column),
        "--id-column": ("--texts", id_column),
        "--text-column": ("--texts", text_columns),
    }
    for option, (source, value) in belongs.items():
        if value and source != given[0]:
            raise ConfigError(f"{option} goes with {source}, not with {given[0]}; leave it out")
    if label and (folders_are_classes or class_column or bundle):
        raise ConfigError("--class is the class of all items; leave it out where each has its own")
    if images is not None:
        return image_items(encoder, images, folders_are_classes=folders_are_classes, label=label, batch_size=batch_size)
    if texts is not None:
        return text_items(
            encoder,
            texts,
            id_column=id_column,
            text_columns=text_columns,
            class_column=class_column,
            label=label,
            on_error=on_error,
            batch_size=batch_size,
        )
    assert bundle is not None
    return bundle_items(encoder, bundle, part=part)


def encode_to(run: str, out: str, *, as_json: bool, quiet: bool, workers: int | None, **options: Any) -> Codes:
    """Encode, and print what was made.

    Raises:
        MaslnError: see ``items_of`` and ``write_codes``.
        CheckpointError: Ctrl-C; what is done stays and serves the same command.
    """
    from masln.errors import CheckpointError
    from masln.experiments import open_encoder
    from masln.reporting import print_codes
    from masln.retrieval import write_codes

    encoder = open_encoder(run)
    found = items_of(encoder, **options)
    try:
        codes = write_codes(
            found.collections,
            out,
            model=encoder.facts,
            facts=found.facts,
            on_error=options["on_error"],
            workers=workers,
            progress=not quiet,
        )
    except KeyboardInterrupt:
        raise CheckpointError(f"interrupted; {out} goes on where it stopped by the same command") from None
    print_codes(codes, out, notes=found.notes, as_json=as_json, quiet=quiet)
    return codes


@contextmanager
def codes_of(
    source: str, model: ModelFacts, encoder: Callable[[], Encoder], *, beside: str, progress: bool
) -> Iterator[Codes]:
    """Codes of a model: a folder of them, or those of a bundle, which lie in a hidden folder while the block runs.

    Args:
        source: Folder of ``masln encode``, or a bundle.
        model: Which they must be of.
        encoder: Makes the encoder, where a bundle is to be encoded.
        beside: The hidden folder is made beside this one; a kill leaves it, and the same command goes on with it.
        progress: Show bars.

    Raises:
        DataError: it is neither, or another model made the codes.
        CheckpointError: Ctrl-C.
    """
    import shutil

    from masln.errors import CheckpointError
    from masln.experiments import bundle_items
    from masln.retrieval import is_codes_folder, read_codes, write_codes

    if is_codes_folder(source):
        codes = read_codes(source)
        model.require(codes.model, what=source)
        yield codes
        return
    own = encoder()
    model.require(own.facts, what=f"run {own.facts.run}")
    found = bundle_items(own, source)
    target = Path(beside).absolute()
    hidden = target.parent / f".{target.name}.codes"
    shutil.rmtree(hidden, ignore_errors=True)  # whole ones, of a command that was killed later
    try:
        yield write_codes(found.collections, hidden, model=own.facts, facts=found.facts, progress=progress)
    except KeyboardInterrupt:
        raise CheckpointError(f"interrupted; {beside} is as it was, the same command goes on") from None
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
