r"""The features of PKU XMedia and XMediaNet that their laboratory published, as a bundle.

XMedia: `XMediaFeatures.mat` with I_tr_CNN, I_te_CNN (pictures, 4,096-d), T_tr_BOW, T_te_BOW (texts, bag of words) and
the classes from 1, trImgCat, teImgCat, trTxtCat, teTxtCat; `--image bovw` and `--text lda` take I_tr, I_te and T_tr,
T_te of the same file instead. XMediaNet: the text files of a zero-shot paper (DADN: Chi and Peng, TCSVT 2019), of which
each line is a picture, a text or a class::

    img_train_fea.txt, img_test_fea.txt      4,096 numbers a line
    txt_train_fea.txt, txt_test_fea.txt      300 numbers a line
    img_train_list.txt, txt_train_list.txt   owl\9c0acd6aa84176de.jpg 1; img_test_list.txt and txt_test_list.txt
    cate_fea.txt                             300 numbers a line, a class a line: the class vectors

Pictures and texts are matched as in `data_prep.xmedia`, row k of a class with row k of that class::

    python -m data_prep.xmedia_features --set xmedianet --source xmedianet --out bundles/xmedianet
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from data_prep.array_files import Array, read_array, read_mat
from data_prep.arrays import arrays_to_bundle
from data_prep.collection import Published
from data_prep.command_line import one_line_errors
from data_prep.published_files import numbered_lines, published_path
from data_prep.xmedia import ORIGIN, SETS, match_items, read_items, split_words
from masln.errors import ConfigError, DataError

__all__ = ["xmedia_bundle"]

IMAGE_FEATURES: Mapping[str, str] = {"cnn": "_CNN", "bovw": ""}
TEXT_FEATURES: Mapping[str, str] = {"bow": "_BOW", "lda": ""}


@dataclass(frozen=True)
class _Rows:
    """One kind of media in one part of the split: n features (n, d), class names and ids."""

    features: Array
    labels: list[str]
    ids: list[str]


@dataclass(frozen=True)
class _Pairs:
    """The pairs of one part of the split: n features of both kinds, class names and ids."""

    image: Array
    text: Array
    labels: list[str]
    ids: list[str]


def xmedia_bundle(
    source: str | Path,
    out: str | Path,
    *,
    name: str,
    image: str = "cnn",
    text: str = "bow",
    class_vectors: str | Path | None = None,
    validation: str = "none",
    published: Published | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the published features of one of the sets as a bundle.

    Args:
        source: The folder of the published files.
        out: The bundle's folder.
        name: `xmedia` or `xmedianet`.
        image: `cnn` or `bovw`, of XMedia; to be left out for XMediaNet.
        text: `bow` or `lda`, of XMedia; to be left out for XMediaNet.
        class_vectors: `FILE.npy` or `FILE.npz:key`, one row a class in the order of the class numbers; of XMediaNet by
            default the published ones.
        validation: `none`, or `half` of the official test part; see `data_prep.xmedia.split_words`.
        published: Figures to check against; by default those of the set.
        overwrite: Replace a bundle that is there.

    Returns:
        The bundle's folder.

    Raises:
        DataError: A file is missing or malformed, a class has more pictures than texts or fewer, or a count is not as
            published.
        ConfigError: XMediaNet does not have the features.
    """
    folder, known = Path(source), SETS[name].published
    expected = published or known
    if name == "xmedianet" and (image, text) != ("cnn", "bow"):
        raise ConfigError(f"{known.reference} has features of one kind; leave --image and --text out")
    parts, split = [], []
    for part, wanted in expected.splits.items():
        if name == "xmedia":
            pictures, texts = _read_matrices(folder, part, image=image, text=text)
        else:
            pictures, texts = (_read_text_files(folder, part, kind) for kind in ("img", "txt"))
        parts.append(_matched(folder, part, pictures, texts, wanted=wanted, reference=expected.reference))
        split += split_words(part, parts[-1].labels, validation=validation)
    labels = [label for pairs in parts for label in pairs.labels]
    if len(set(labels)) != expected.classes:
        raise DataError(f"{folder}: {len(set(labels))} classes, but {expected.reference} has {expected.classes}")
    names = [label for label in known.class_names if label in set(labels)]
    recipe = {
        "command": "data_prep.xmedia_features",
        "image": f"XMediaFeatures.mat: {image}" if name == "xmedia" else "img_train_fea.txt, img_test_fea.txt",
        "text": f"XMediaFeatures.mat: {text}" if name == "xmedia" else "txt_train_fea.txt, txt_test_fea.txt",
        "class_vectors": Path(class_vectors).name if class_vectors else "cate_fea.txt" if name == "xmedianet" else None,
        "pairing": "k-th picture of a class with its k-th text, in the order of the rows",
        "validation": validation,
    }
    return arrays_to_bundle(
        out,
        name=name,
        image=np.concatenate([pairs.image for pairs in parts]),
        text=np.concatenate([pairs.text for pairs in parts]),
        labels=np.array(labels),
        class_names=names,
        class_vectors=_class_vectors(folder, names, name=name, given=class_vectors),
        split=np.array(split),
        ids=np.array([item for pairs in parts for item in pairs.ids]),
        licence=ORIGIN.licence,
        source=known.reference,
        recipe=recipe,
        overwrite=overwrite,
    )


def _matched(folder: Path, part: str, pictures: _Rows, texts: _Rows, *, wanted: int, reference: str) -> _Pairs:
    """The pairs of a part, in the order of the pictures."""
    matched, uneven = match_items(pictures.labels, texts.labels)
    if uneven:
        label, (one, other) = next(iter(uneven.items()))
        raise DataError(
            f"{folder}: {one} pictures and {other} texts of class {label} in {part}, but {reference} has as many of "
            "both; get the files again"
        )
    if len(matched) != wanted:
        raise DataError(f"{folder}: {len(matched)} {part} pairs, but {reference} has {wanted}; get the files again")
    rows, text_rows = np.array(matched).T
    return _Pairs(
        image=pictures.features[rows],
        text=texts.features[text_rows],
        labels=[pictures.labels[row] for row in rows.tolist()],
        ids=[pictures.ids[row] for row in rows.tolist()],
    )


def _read_matrices(folder: Path, part: str, *, image: str, text: str) -> tuple[_Rows, _Rows]:
    """The pictures and the texts of a part, out of XMediaFeatures.mat."""
    file = published_path(folder, "XMediaFeatures.mat", where=ORIGIN.where)
    short = {"train": "tr", "test": "te"}[part]
    image_key, text_key = f"I_{short}{IMAGE_FEATURES[image]}", f"T_{short}{TEXT_FEATURES[text]}"
    read = read_mat(file, image_key, text_key, f"{short}ImgCat", f"{short}TxtCat")
    pictures = _with_classes(file, read, image_key, f"{short}ImgCat", part)
    return pictures, _with_classes(file, read, text_key, f"{short}TxtCat", part)


def _with_classes(file: Path, read: Mapping[str, Array], key: str, classes: str, part: str) -> _Rows:
    """A matrix and the names of its classes, which the file numbers from 1."""
    features, numbers = read[key], read[classes].reshape(-1)
    if features.ndim != 2 or features.dtype.kind not in "biuf" or len(features) != len(numbers):
        raise DataError(
            f"{file}: {key} is {features.dtype} of shape {features.shape}, and {classes} has {len(numbers)} classes; a "
            "row for each is needed"
        )
    names = SETS["xmedia"].published.class_names
    odd = np.flatnonzero(~np.isin(numbers, np.arange(1, len(names) + 1)))
    if len(odd):
        raise DataError(f"{file}: {classes} has class {numbers[odd[0]]} in row {odd[0]}; 1 to {len(names)} is wanted")
    return _Rows(
        features, [names[int(number) - 1] for number in numbers], [f"{part}-{row}" for row in range(len(numbers))]
    )


def _read_text_files(folder: Path, part: str, kind: str) -> _Rows:
    """The features and the list of one kind of media of XMediaNet."""
    items = read_items(folder, part, kind, name="xmedianet")
    file = published_path(folder, f"{kind}_{part}_fea.txt", where=ORIGIN.where)
    features = _read_numbers(file)
    if len(features) != len(items):
        raise DataError(f"{file}: {len(features)} rows, but the list has {len(items)}; get both again")
    return _Rows(features, [item.label for item in items], [item.path for item in items])


def _read_numbers(file: Path) -> Array:
    """The numbers of a text file, (lines, numbers a line) float32."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # at an empty file, which is refused below
            values = np.loadtxt(file, dtype=np.float32, ndmin=2, comments=None, encoding="utf-8")
    except ValueError as error:  # its own message counts rows, and not always from the same number
        width = 0
        for number, line in numbered_lines(file):
            fields = line.split()
            width = width or len(fields)
            if len(fields) != width or not all(_is_number(field) for field in fields):
                raise DataError(
                    f"{file}:{number}: {width} numbers are wanted, as in the first line; get it again"
                ) from None
        raise DataError(f"{file}: {error}") from None
    if not values.size:
        raise DataError(f"{file}: empty; get the file again")
    return values


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _class_vectors(folder: Path, names: list[str], *, name: str, given: str | Path | None) -> Array | None:
    """The class vectors in the order of the names: those given, or those of XMediaNet."""
    if given is not None:
        return read_array(given)
    if name == "xmedia":
        return None
    file, known = published_path(folder, "cate_fea.txt", where=ORIGIN.where), SETS[name].published.class_names
    vectors = _read_numbers(file)
    if len(vectors) != len(known):
        raise DataError(f"{file}: {len(vectors)} lines for {len(known)} classes; get the file again")
    return vectors[[known.index(label) for label in names]]


@click.command()
@click.option("--set", "name", type=click.Choice(list(SETS)), required=True, help="Which of the two sets.")
@click.option("--source", type=click.Path(path_type=Path), required=True, help="Folder of the published files.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The bundle's folder.")
@click.option("--image", type=click.Choice(list(IMAGE_FEATURES)), default="cnn", help="Of XMedia.", show_default=True)
@click.option("--text", type=click.Choice(list(TEXT_FEATURES)), default="bow", help="Of XMedia.", show_default=True)
@click.option("--class-vectors", help="FILE.npy or FILE.npz:key, one row a class in the order of the class numbers.")
@click.option(
    "--validation",
    type=click.Choice(["none", "half"]),
    default="none",
    help="Half of the official test part for validation, or none.",
    show_default=True,
)
@click.option("--overwrite", is_flag=True, help="Replace a bundle that is there.")
@one_line_errors
def main(source: Path, out: Path, **options: Any) -> None:
    """Write the published features of PKU XMedia or XMediaNet as a bundle."""
    written = xmedia_bundle(source, out, **options)
    click.echo(f"wrote {written}: {SETS[options['name']].published.pairs} pairs")


if __name__ == "__main__":
    main()
