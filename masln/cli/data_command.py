"""``masln data``: what datasets there are, fetching one, what is in it, and what could flatter a result on it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from masln.cli.options import debug_option, images_option, json_option, quiet_option


@click.group()
def data() -> None:
    """List, fetch, describe, check and show datasets."""


@data.command("list")
@json_option
@debug_option
def list_datasets(as_json: bool, debug: bool) -> None:
    """List the bundled datasets."""
    from masln.data import bundled_datasets, load_dataset
    from masln.reporting import print_table

    rows = []
    for name, folder in bundled_datasets().items():
        dataset = load_dataset(folder)
        rows.append(
            {
                "name": name,
                "pairs": len(dataset),
                "classes": len(dataset.class_names),
                "image": dataset.image.shape[-1],
                "text": dataset.text.shape[-1],
                "licence": dataset.manifest.get("licence", ""),
            }
        )
    print_table(rows, as_json=as_json)


@data.command()
@click.argument("name", required=False)
@click.option("--out", type=click.Path(), metavar="DIR", help="Where the files go.  [default: data/NAME]")
@click.option("--extract/--no-extract", default=True, help="Unpack archives, beside themselves; they stay.")
@click.option(
    "--accept-unchecked",
    is_flag=True,
    help="Take files for which nobody has published a checksum as they come. What they hash to is printed and recorded "
    "in SHA256SUMS beside them; later downloads are held against it.",
)
@click.option(
    "--catalogue",
    type=click.Path(),
    metavar="DIR",
    help="Folder of NAME.yaml of further sets, such as mirrors; masln's own (masln/data/public_sets) are the examples.",
)
@json_option
@quiet_option
@debug_option
def fetch(
    name: str | None,
    out: str | None,
    extract: bool,
    accept_unchecked: bool,
    catalogue: str | None,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Download the public dataset NAME, or say how to get it by hand; without NAME, list those that are known.

    What is there and right is not downloaded again; nothing unfinished or wrong is kept.
    """
    from pathlib import Path

    from masln.data import data_sources, fetch_source, find_source
    from masln.errors import DataError

    if name is None:
        from masln.reporting import print_sources

        print_sources(data_sources(catalogue).values(), as_json=as_json)
        return
    source = find_source(name, catalogue=catalogue)
    folder = Path(out) if out is not None else Path("data") / source.name
    try:
        fetched = fetch_source(
            source,
            folder,
            accept_unchecked=accept_unchecked,
            extract=extract,
            progress=not quiet,
            announce=(lambda line: None) if as_json or quiet else click.echo,
        )
    except KeyboardInterrupt:
        raise DataError(f"interrupted; whole files are kept in {folder}, the same command goes on") from None
    from masln.reporting import print_fetched  # it brings torch, for which a mistake need not wait

    print_fetched(fetched, as_json=as_json, quiet=quiet)


@data.command()
@click.argument("bundle")
@click.option("--verify", is_flag=True, help="Recompute the hash of every file.")
@json_option
@debug_option
def info(bundle: str, verify: bool, as_json: bool, debug: bool) -> None:
    """Describe a dataset: BUNDLE is a bundled name or a folder."""
    import numpy as np

    from masln.data import bundle_hash, labels_per_pair, load_dataset
    from masln.reporting import print_facts

    dataset = load_dataset(bundle, verify=verify)
    test = dataset.split == "test" if dataset.split is not None else np.zeros(len(dataset), dtype=bool)
    counts = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    vectors, sets = dataset.class_embeddings, dataset.label_sets
    classes = [f"{name} ({count})" for name, count in zip(dataset.class_names, counts, strict=True)]
    several = "none"
    if sets is not None:
        several = "{:.2f} labels a pair on average, {} pairs with several".format(*labels_per_pair(sets))
        classes = [f"{own[:-1]}, carried by {n})" for own, n in zip(classes, sets.sum(axis=0), strict=True)]
    facts = {
        "name": dataset.name,
        "hash": bundle_hash(dataset),
        "pairs": len(dataset),
        "train / test": f"{int((~test).sum())} / {int(test.sum())}",
        "image": f"{dataset.image.dtype} {dataset.image.shape}",
        "text": f"{dataset.text.dtype} {dataset.text.shape}",
        "class embeddings": "none" if vectors is None else f"{vectors.dtype} {vectors.shape}",
        "label sets": several,
        "classes (pairs)": ", ".join(classes),
        "licence": dataset.manifest.get("licence"),
        "source": dataset.manifest.get("source"),
        "recipe": json.dumps(dataset.manifest.get("recipe")),
        "hashes": "verified" if verify else "not recomputed (--verify does)",
    }
    print_facts(facts, as_json=as_json)


@data.command()
@click.argument("bundle")
@images_option
@json_option
@debug_option
def check(bundle: str, images: str | None, as_json: bool, debug: bool) -> None:
    """Count what could flatter a result: the leakage report, with near-duplicate pictures and texts across the split.

    BUNDLE is a bundled name or a folder.
    """
    from masln.data import load_dataset
    from masln.inspection import check_dataset
    from masln.reporting import print_facts

    print_facts(check_dataset(load_dataset(bundle, verify=True), images=images, progress=True), as_json=as_json)


@data.command()
@click.argument("bundle")
@click.option("--out", required=True, type=click.Path(), metavar="PAGE", help="The page, such as page.html.")
@images_option
@click.option("--pairs", type=click.IntRange(min=1), default=6, help="How many of each class.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the draw.")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@json_option
@quiet_option
@debug_option
def show(
    bundle: str,
    out: str,
    images: str | None,
    pairs: int,
    seed: int,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Write a page of random pairs of each class with their pictures and texts, and count the pairs.

    BUNDLE is a bundled name or a folder. The page is one file that needs no network.
    """
    from masln.data import load_dataset
    from masln.inspection import draw_pairs, find_pictures
    from masln.reporting import check_page_target, make_bundle_page, print_bundle_page, write_page

    target = Path(out)
    check_page_target(target, overwrite=overwrite)
    dataset = load_dataset(bundle)
    drawn = draw_pairs(dataset, pairs=pairs, seed=seed)
    page = make_bundle_page(dataset, drawn, find_pictures(dataset, images), progress=not quiet)
    write_page(page.html, target)
    print_bundle_page(page, target, as_json=as_json, quiet=quiet)
