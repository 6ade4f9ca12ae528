"""``masln index``: galleries built, added to, removed from, and described."""

from __future__ import annotations

import click

from masln.cli.options import debug_option, json_option, quiet_option

_SOURCE = "A bundle, or a folder of masln encode."


@click.group()
def index() -> None:
    """Build galleries of a run's codes, add to them, remove from them, and describe them."""


@index.command()
@click.argument("run", type=click.Path())
@click.option("--from", "source", required=True, type=click.Path(), metavar="BUNDLE|CODES", help=_SOURCE)
@click.option("--out", required=True, type=click.Path(), metavar="GALLERY", help="Folder of the gallery.")
@click.option("--backend", default="exact", help="exact, faiss (extra index) or milvus (extra milvus).")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Of the backend: precision=bf16 of exact; index=flat, hnsw or ivfpq of faiss, and what these are set by; "
    "uri=http://HOST:19530 of milvus, embedded in the gallery's folder without.",
)
@json_option
@quiet_option
@debug_option
def build(
    run: str, source: str, out: str, backend: str, settings: tuple[str, ...], as_json: bool, quiet: bool, debug: bool
) -> None:
    """Make a gallery of the codes of RUN, a directory of masln train.

    A gallery knows its model: what another one encoded is refused. An approximate index is measured against the exact
    search when it is built, and its recall printed.
    """
    from masln.cli.encoding import codes_of
    from masln.experiments import open_encoder, read_setting
    from masln.reporting import print_gallery
    from masln.retrieval import build_gallery, make_backend

    options = dict(read_setting(setting, example="precision=bf16") for setting in settings)
    made = make_backend(backend, **options)
    made.check()
    encoder = open_encoder(run)
    with codes_of(source, encoder.facts, lambda: encoder, beside=out, progress=not quiet) as codes:
        gallery = build_gallery(codes, out, backend=made)
    print_gallery(gallery, as_json=as_json, quiet=quiet)


@index.command()
@click.argument("gallery", type=click.Path())
@click.option("--from", "source", required=True, type=click.Path(), metavar="BUNDLE|CODES", help=_SOURCE)
@click.option("--replace", is_flag=True, help="Items take the place of those of the same id.")
@click.option("--run", type=click.Path(), help="Where the gallery's run is now.  [default: as the gallery says]")
@json_option
@quiet_option
@debug_option
def add(gallery: str, source: str, replace: bool, run: str | None, as_json: bool, quiet: bool, debug: bool) -> None:
    """Add items to GALLERY, of classes that the model has seen or of others.

    A kill in the middle leaves the gallery as it was.
    """
    from masln.cli.encoding import codes_of
    from masln.experiments import open_encoder
    from masln.reporting import print_gallery
    from masln.retrieval import Gallery

    opened = Gallery(gallery)
    where = run or opened.model.run
    with codes_of(source, opened.model, lambda: open_encoder(where), beside=gallery, progress=not quiet) as codes:
        added = opened.add(codes, replace=replace)
    print_gallery(opened, changed={"added": added}, as_json=as_json, quiet=quiet)


@index.command()
@click.argument("gallery", type=click.Path())
@click.option("--id", "ids", multiple=True, metavar="ID", help="An item; may be repeated.")
@click.option("--class", "classes", multiple=True, metavar="NAME", help="All items of a class; may be repeated.")
@click.option("--modality", type=click.Choice(["image", "text"]), help="Of the items.  [default: both]")
@json_option
@quiet_option
@debug_option
def remove(
    gallery: str,
    ids: tuple[str, ...],
    classes: tuple[str, ...],
    modality: str | None,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Remove items from GALLERY; a kill in the middle leaves it as it was."""
    from masln.reporting import print_gallery
    from masln.retrieval import Gallery

    opened = Gallery(gallery)
    removed = opened.remove(ids=ids, classes=classes, modality=modality)
    print_gallery(opened, changed={"removed": removed}, as_json=as_json, quiet=quiet)


@index.command()
@click.argument("gallery", type=click.Path())
@json_option
@debug_option
def info(gallery: str, as_json: bool, debug: bool) -> None:
    """Describe GALLERY: its model, backend, items and classes."""
    from masln.reporting import print_gallery
    from masln.retrieval import Gallery

    print_gallery(Gallery(gallery), as_json=as_json)
