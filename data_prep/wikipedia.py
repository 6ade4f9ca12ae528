r"""The canonical Wikipedia files (Rasiwasia et al. 2010) to a bundle, with their own features or others.

The source folder holds `raw_features.mat` (I_tr, T_tr, I_te, T_te: SIFT 128 and LDA 10), `trainset_txt_img_cat.list`
and `testset_txt_img_cat.list` (text id, image id, class from 1, parted by tabs) and `categories.list`. Features of
another origin are given in the same order, training rows first, the test rows behind them::

    python -m data_prep.wikipedia --source wikipedia --out bundles/wikipedia \
        --image-features wikipedia/wikipedia.npz:image_cnn128_roph \
        --class-vectors word_vectors/class_minilm.npz:wikipedia_minilm
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from data_prep.array_files import Array, read_array, read_mat
from data_prep.arrays import arrays_to_bundle
from data_prep.command_line import one_line_errors
from masln.data import find_source
from masln.errors import DataError

# The published counts (Rasiwasia et al. 2010): a file with other ones is not the canonical set.
TRAIN_PAIRS, TEST_PAIRS, CLASSES = 2173, 693, 10
ORIGIN = find_source("wikipedia")
LISTS = {"train": "trainset_txt_img_cat.list", "test": "testset_txt_img_cat.list"}
MATRICES = {"image": ("I_tr", "I_te"), "text": ("T_tr", "T_te")}


@dataclass(frozen=True)
class Listing:
    """One line a pair, in the order of the feature rows: labels from 0."""

    text_ids: list[str]
    image_ids: list[str]
    labels: list[int]


def wikipedia_bundle(
    source: str | Path,
    out: str | Path,
    *,
    image_features: str | Path | None = None,
    text_features: str | Path | None = None,
    class_vectors: str | Path | None = None,
    expected: tuple[int, int, int] = (TRAIN_PAIRS, TEST_PAIRS, CLASSES),
    overwrite: bool = False,
) -> Path:
    """Write the Wikipedia set as a bundle.

    Args:
        source: The folder with the canonical files.
        out: The bundle's folder.
        image_features: `FILE.npy` or `FILE.npz:key`, (2866, d_image), instead of SIFT.
        text_features: The same for the text, instead of LDA.
        class_vectors: (10, d_class) in the order of `categories.list`.
        expected: Counts of training pairs, test pairs and classes to check against.
        overwrite: Replace a bundle that is already there.

    Returns:
        The bundle's folder.

    Raises:
        DataError: If a file is missing or malformed, a count is not the canonical one, or rows do not match.
    """
    folder = Path(source)
    names = read_categories(folder / "categories.list")
    parts = {part: read_list(folder / file, len(names)) for part, file in LISTS.items()}
    found = (len(parts["train"].labels), len(parts["test"].labels), len(names))
    if found != tuple(expected):
        raise DataError(
            f"{folder}: {found[0]} training pairs, {found[1]} test pairs and {found[2]} classes; "
            f"the canonical set has {expected[0]}, {expected[1]} and {expected[2]}"
        )
    sizes = {part: len(listing.labels) for part, listing in parts.items()}
    given = {"image": image_features, "text": text_features}
    canonical = _read_matrices(folder / "raw_features.mat", sizes) if None in given.values() else {}
    features = {
        modality: canonical[modality] if reference is None else _read_rows(reference, modality, sum(sizes.values()))
        for modality, reference in given.items()
    }
    recipe = {
        "command": "data_prep.wikipedia",
        "image": Path(image_features).name if image_features else "raw_features.mat: SIFT 128",
        "text": Path(text_features).name if text_features else "raw_features.mat: LDA 10",
        "class_vectors": Path(class_vectors).name if class_vectors else None,
    }
    return arrays_to_bundle(
        out,
        name="wikipedia",
        image=features["image"],
        text=features["text"],
        labels=np.array(parts["train"].labels + parts["test"].labels),
        class_names=names,
        class_vectors=None if class_vectors is None else read_array(class_vectors),
        split=np.repeat(["train", "test"], [sizes["train"], sizes["test"]]),
        ids=np.array(parts["train"].text_ids + parts["test"].text_ids),
        image_paths=np.array([f"{name}.jpg" for part in parts.values() for name in part.image_ids]),
        licence=ORIGIN.licence,
        source=ORIGIN.title,
        recipe=recipe,
        overwrite=overwrite,
    )


def _read_lines(file: Path) -> list[str]:
    if not file.is_file():
        raise DataError(f"no such file: {file}; {ORIGIN.where}")
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 text ({error})") from None


def read_categories(file: Path) -> list[str]:
    """The class names of `categories.list`, in the order of their numbers."""
    return [line.strip() for line in _read_lines(file) if line.strip()]


def read_list(file: Path, n_classes: int) -> Listing:
    """The lines of a list file, `text id <tab> image id <tab> class from 1`; no text stands in two."""
    listing = Listing([], [], [])
    known: set[str] = set()
    for number, line in enumerate(_read_lines(file), start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 3 or not fields[2].isdecimal() or not 1 <= int(fields[2]) <= n_classes:
            raise DataError(f"{file}:{number}: 'text-id image-id class' with a class of 1 to {n_classes} is wanted")
        if fields[0] in known:
            raise DataError(f"{file}:{number}: the text {fields[0]} stands in the list already; get the file again")
        known.add(fields[0])
        listing.text_ids.append(fields[0])
        listing.image_ids.append(fields[1])
        listing.labels.append(int(fields[2]) - 1)
    return listing


def _read_matrices(file: Path, sizes: dict[str, int]) -> dict[str, Array]:
    """The matrices of raw_features.mat, training rows above test rows."""
    if not file.is_file():
        raise DataError(f"no such file: {file}; give it, or both --image-features and --text-features")
    matrices = read_mat(file, *(key for keys in MATRICES.values() for key in keys))
    features = {}
    for modality, keys in MATRICES.items():
        rows = []
        for key, (part, size) in zip(keys, sizes.items(), strict=True):
            if len(matrices[key]) != size:
                raise DataError(f"{file}: {key} has {len(matrices[key])} rows but {LISTS[part]} has {size} pairs")
            rows.append(matrices[key])
        features[modality] = np.concatenate(rows)
    return features


def _read_rows(reference: str | Path, modality: str, size: int) -> Array:
    values = read_array(reference)
    if len(values) != size:
        raise DataError(f"{reference}: {len(values)} {modality} rows but the lists have {size} pairs, training first")
    return values


@click.command()
@click.option("--source", type=click.Path(path_type=Path), required=True, help="Folder of the canonical files.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The bundle's folder.")
@click.option("--image-features", help="FILE.npy or FILE.npz:key for the same rows, instead of SIFT.")
@click.option("--text-features", help="FILE.npy or FILE.npz:key for the same rows, instead of LDA.")
@click.option("--class-vectors", help="FILE.npy or FILE.npz:key, one row a class of categories.list.")
@click.option("--overwrite", is_flag=True, help="Replace a bundle that is already there.")
@one_line_errors
def main(
    source: Path,
    out: Path,
    image_features: str | None,
    text_features: str | None,
    class_vectors: str | None,
    overwrite: bool,
) -> None:
    """Write the Wikipedia set (2,173 + 693 pairs, 10 classes) as a bundle."""
    written = wikipedia_bundle(
        source,
        out,
        image_features=image_features,
        text_features=text_features,
        class_vectors=class_vectors,
        overwrite=overwrite,
    )
    click.echo(f"wrote {written}: {TRAIN_PAIRS} training and {TEST_PAIRS} test pairs, {CLASSES} classes")


if __name__ == "__main__":
    main()
