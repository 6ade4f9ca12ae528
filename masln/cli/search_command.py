"""``masln search``: pictures and texts found in a gallery."""

from __future__ import annotations

import click

from masln.cli.options import debug_option, json_option, quiet_option


@click.command()
@click.argument("gallery", type=click.Path())
@click.argument("text", required=False)
@click.option("--image", type=click.Path(), metavar="FILE", help="A picture is the query.")
@click.option("--texts", type=click.Path(), metavar="FILE", help="Many texts: .txt with one a line, CSV, JSON, ...")
@click.option("--images", type=click.Path(), metavar="DIR", help="Many pictures.")
@click.option(
    "--find", type=click.Choice(["image", "text"]), help="What to find.  [default: the modality not asked with]"
)
@click.option("--k", type=click.IntRange(min=1), default=10, help="How many of each.")
@click.option("--class", "classes", multiple=True, metavar="NAME", help="Items of this class alone; may be repeated.")
@click.option(
    "--rerank",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Put the first N in the order of the joint score, where the method has one.",
)
@click.option("--run", type=click.Path(), help="Where the gallery's run is now.  [default: as the gallery says]")
@json_option
@quiet_option
@debug_option
def search(
    gallery: str,
    text: str | None,
    image: str | None,
    texts: str | None,
    images: str | None,
    find: str | None,
    k: int,
    classes: tuple[str, ...],
    rerank: int,
    run: str | None,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Search GALLERY for pictures by TEXT, for texts by a picture, or within one modality.

    A word of a text that the extractor does not know is named; a text of such words only is an error.
    """
    from masln.errors import ConfigError
    from masln.experiments import open_encoder, read_queries
    from masln.reporting import print_answers
    from masln.retrieval import Gallery
    from masln.retrieval import search as search_gallery

    sources = {"TEXT": text, "--image": image, "--texts": texts, "--images": images}
    given = [name for name, value in sources.items() if value is not None]
    if len(given) != 1:
        raise ConfigError("give one query: TEXT, --image FILE, --texts FILE or --images DIR")
    modality = "text" if given[0] in ("TEXT", "--texts") else "image"
    if text is not None or image is not None:
        queries = [text or image or ""]
    else:
        queries = read_queries(texts or images or "", modality)
    opened = Gallery(gallery)
    answers = search_gallery(
        opened,
        open_encoder(run or opened.model.run),
        queries,
        modality=modality,
        find=find or ("image" if modality == "text" else "text"),
        k=k,
        classes=classes,
        rerank=rerank,
    )
    print_answers(answers, as_json=as_json, quiet=quiet)
