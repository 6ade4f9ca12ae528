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
@click.option("--new-class", metavar="NAME", help="A class is the query, seen in training or not, by its embedding.")
@click.option(
    "--class-vector", type=click.Path(), metavar="FILE", help="The embedding of that class: .npy, or numbers."
)
@click.option(
    "--class-source", type=click.Path(), metavar="PATH", help="Where the word vectors or attributes of the run are now."
)
@click.option(
    "--find",
    type=click.Choice(["image", "text"]),
    help="What to find.  [default: the modality not asked with; image for a class]",
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
    new_class: str | None,
    class_vector: str | None,
    class_source: str | None,
    find: str | None,
    k: int,
    classes: tuple[str, ...],
    rerank: int,
    run: str | None,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Search GALLERY for pictures by TEXT, for texts by a picture, within one modality, or by the name of a class.

    A word of a text that the extractor does not know is named; a text of such words only is an error.
    """
    from masln.errors import ConfigError
    from masln.experiments import open_encoder, read_class_vector, read_queries
    from masln.reporting import print_answers
    from masln.retrieval import Gallery, search_class
    from masln.retrieval import search as search_gallery

    sources = {"TEXT": text, "--image": image, "--texts": texts, "--images": images, "--new-class": new_class}
    given = [name for name, value in sources.items() if value is not None]
    if len(given) != 1:
        raise ConfigError("give one query: TEXT, --image FILE, --texts FILE, --images DIR or --new-class NAME")
    if new_class is None and (class_vector or class_source):
        raise ConfigError("--class-vector and --class-source go with --new-class NAME; leave them out")
    if new_class is not None and rerank:
        raise ConfigError("a joint score is of a picture and a text, not of a class; leave --rerank out")
    opened = Gallery(gallery)
    encoder = open_encoder(run or opened.model.run, class_source=class_source)
    if new_class is not None:
        vector = None if class_vector is None else read_class_vector(class_vector)
        found = search_class(opened, encoder, new_class, find=find or "image", k=k, classes=classes, vector=vector)
        print_answers([found], as_json=as_json, quiet=quiet)
        return
    modality = "text" if given[0] in ("TEXT", "--texts") else "image"
    if text is not None or image is not None:
        queries = [text or image or ""]
    else:
        queries = read_queries(texts or images or "", modality)
    answers = search_gallery(
        opened,
        encoder,
        queries,
        modality=modality,
        find=find or ("image" if modality == "text" else "text"),
        k=k,
        classes=classes,
        rerank=rerank,
    )
    print_answers(answers, as_json=as_json, quiet=quiet)
