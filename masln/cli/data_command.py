"""``masln data``: what datasets there are, what is in one, and what could flatter a result on it."""

from __future__ import annotations

import json

import click

from masln.cli.options import debug_option, json_option


@click.group()
def data() -> None:
    """List, describe and check datasets."""


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
@click.argument("bundle")
@click.option("--verify", is_flag=True, help="Recompute the hash of every file.")
@json_option
@debug_option
def info(bundle: str, verify: bool, as_json: bool, debug: bool) -> None:
    """Describe a dataset: BUNDLE is a bundled name or a folder."""
    import numpy as np

    from masln.data import bundle_hash, load_dataset
    from masln.reporting import print_facts

    dataset = load_dataset(bundle, verify=verify)
    test = dataset.split == "test" if dataset.split is not None else np.zeros(len(dataset), dtype=bool)
    counts = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    vectors = dataset.class_embeddings
    facts = {
        "name": dataset.name,
        "hash": bundle_hash(dataset),
        "pairs": len(dataset),
        "train / test": f"{int((~test).sum())} / {int(test.sum())}",
        "image": f"{dataset.image.dtype} {dataset.image.shape}",
        "text": f"{dataset.text.dtype} {dataset.text.shape}",
        "class embeddings": "none" if vectors is None else f"{vectors.dtype} {vectors.shape}",
        "classes (pairs)": ", ".join(f"{n} ({c})" for n, c in zip(dataset.class_names, counts, strict=True)),
        "licence": dataset.manifest.get("licence"),
        "source": dataset.manifest.get("source"),
        "recipe": json.dumps(dataset.manifest.get("recipe")),
        "hashes": "verified" if verify else "not recomputed (--verify does)",
    }
    print_facts(facts, as_json=as_json)


@data.command()
@click.argument("bundle")
@json_option
@debug_option
def check(bundle: str, as_json: bool, debug: bool) -> None:
    """Count what could flatter a result: the leakage report. BUNDLE is a bundled name or a folder."""
    from masln.data import leakage_report, load_dataset
    from masln.reporting import print_facts

    print_facts(leakage_report(load_dataset(bundle, verify=True)), as_json=as_json)
