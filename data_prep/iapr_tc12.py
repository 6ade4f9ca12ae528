"""IAPR TC-12 (Grubinger et al. 2006) with the labels of SAIAPR TC-12 (Escalante et al., CVIU 2010), to a bundle.

20,000 holiday pictures, each with a description of some sentences. The source folder holds the two published archives,
at the top or a few folders down:

- iaprtc12.tgz: `images/NN/ID.jpg` and `annotations_complete_eng/NN/ID.eng` (tags such as ``<DESCRIPTION>``, a sentence
  to each semicolon; Windows-1252, though often called ISO-8859-1);
- saiaprtc12ok.rar: `benchmark/wlist.txt` (``29<TAB>branch``), `benchmark/saiapr_tc-12/NN/labels.txt` (picture, region,
  label), `features.txt` beside it (picture, region, 27 numbers of which the first is the region's share of the
  picture's area, label), `ontology_path.txt` (``25<TAB>1<TAB>entity->->_landscape-nature->vegetation->``) and
  `matlab/training.mat`, `validation.mat`, `testing.mat`: the split of 14,000, 2,000 and 4,000 pictures.

Retrieval papers take the labels of all regions of a picture as its classes, of which 255 occur (Jiang and Li, CVPR
2017): so does this recipe, and its main class is the label that covers most of it (ours). A label that is the main one
of fewer than `--least` training or test pairs is no class (ours): no evaluation could search for it; the pictures then
count under what covers most of the rest. Nearly every picture carries several classes, so a split into seen and unseen
ones leaves few pairs of one kind: for that take `--one-class`, or the six branches of the labels' hierarchy by
`--classes branches`. (The "41 classes" of some code are the folders `NN`, which mean nothing.)::

    python -m data_prep.iapr_tc12 --source iapr --out bundles/iapr
    python -m data_prep.iapr_tc12 --source iapr --out bundles/iapr-branches --classes branches --one-class
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from data_prep.array_files import read_mat
from data_prep.collection import Collection, Pair, Published, collection_options, make_bundle
from data_prep.published_files import find, locate, with_pictures
from data_prep.saiapr_regions import KINDS, read_areas
from masln.data import find_source
from masln.errors import DataError, unknown_name

__all__ = ["PUBLISHED", "read_iapr_tc12"]

ORIGIN = find_source("iapr-tc12")
PUBLISHED = Published(
    pairs=20000,
    classes=0,
    splits={"train": 14000, "validation": 2000, "test": 4000},
    reference="SAIAPR TC-12 (Escalante et al. 2010)",
)
#: Public loaders count 19,999 descriptions to the 20,000 pictures with labels.
WITHOUT_TEXT = 1
MATRICES = {"train": "training", "validation": "validation", "test": "testing"}
LEAST = 5  # ours
_DESCRIPTION = re.compile(r"<DESCRIPTION>(.*?)</DESCRIPTION>", re.DOTALL)


def read_iapr_tc12(
    source: str | Path,
    *,
    classes: str = "labels",
    one_class: bool = False,
    least: int = LEAST,
    partial: bool = False,
    published: Published = PUBLISHED,
    kinds: Mapping[str, int] = KINDS,
) -> Collection:
    """Read IAPR TC-12.

    Args:
        source: The folder with the two unpacked archives.
        classes: ``labels`` of the regions, or ``branches``, what their hierarchy parts first.
        one_class: Give each picture its main class alone.
        least: How many training and test pairs (together, where there is no split) a class needs to be one.
        partial: A copy that lacks some pairs is taken.
        published: What to check against.
        kinds: How many classes of each kind there are.

    Raises:
        DataError: A file is missing or malformed, a label has no name, or a count is not the published one.
    """
    if classes not in kinds:
        raise DataError(unknown_name("kind of class", classes, kinds))
    texts = locate(source, "annotations_complete_eng", folder=True, where=ORIGIN.where)
    images = locate(texts.parent, "images", folder=True, where=ORIGIN.where)
    areas = read_areas(source, classes, count=kinds[classes], where=ORIGIN.where, partial=partial)
    split = _read_split(source)
    files = {file.stem: file for file in sorted(texts.glob("*/*.eng"))}
    pairs, silent = [], []
    for picture, own in areas.items():
        if split and picture not in split:
            raise DataError(f"{source}: picture {picture} is in no list of the split; get the .mat files again")
        file = files.get(picture)
        captions = _read_description(file) if file is not None else ()
        if file is None or not captions:
            silent.append(picture)
        image = f"{file.parent.name}/{picture}.jpg" if file is not None else ""
        label = max(own, key=lambda name: (own[name], name), default="")
        pairs.append(Pair(picture, image, captions, label, split=split.get(picture, "")))
    dataclasses.replace(
        published, classes=len({pair.label for pair in pairs}), splits=published.splits if split else {}
    ).check(pairs, where=source, partial=partial)
    if len(silent) > WITHOUT_TEXT and not partial:
        raise DataError(
            f"{texts}: {len(silent)} pictures have no description, {silent[0]} first; get the whole set again, or take "
            "what is there by --partial"
        )
    spoken = with_pictures([pair for pair in pairs if pair.captions], images, partial=partial)
    kept, rare = _frequent({pair.id: areas[pair.id] for pair in spoken}, split, least)
    if not kept:
        raise DataError(f"{source}: none of the {classes} is the main one of {least} pairs of each part; lower --least")
    return Collection(
        name="iapr_tc12",
        images=images,
        pairs=[
            dataclasses.replace(pair, label=names[0], labels=() if one_class else tuple(sorted(names)))
            for pair in spoken
            if (names := kept.get(pair.id))
        ],
        licence=ORIGIN.licence,
        source="IAPR TC-12, Grubinger et al. 2006; labels of SAIAPR TC-12, Escalante et al., CVIU 2010",
        recipe={
            "command": "data_prep.iapr_tc12",
            "classes": classes,
            "main_class": "largest area",
            "one_class": one_class,
            "least": least,
            "labels_that_are_no_class": sorted(rare),
            "without_description": silent,
            "without_class": [pair.id for pair in spoken if pair.id not in kept],
            "partial": partial,
        },
    )


def _read_split(source: str | Path) -> dict[str, str]:
    """The part of each picture; empty where the copy has no lists."""
    split: dict[str, str] = {}
    files = {part: find(source, f"{key}.mat") for part, key in MATRICES.items()}
    if not any(files.values()):
        return split
    for part, key in MATRICES.items():
        file = files[part]
        if file is None:
            raise DataError(f"{source}: no file {key}.mat beside the other lists of the split; {ORIGIN.where}")
        try:
            ids = [str(int(number)) for number in read_mat(file, key)[key].ravel()]
        except (TypeError, ValueError) as error:
            raise DataError(f"{file}: no numbers in {key} ({error}); get the file again") from None
        for picture in ids:
            if picture in split:
                raise DataError(f"{file}: picture {picture} is a {split[picture]} picture already; get the lists again")
            split[picture] = part
    return split


def _read_description(file: Path) -> tuple[str, ...]:
    """The sentences of a description; none where it is empty."""
    content = file.read_bytes()
    for encoding in ("utf-8", "cp1252"):  # accents of Windows-1252 are no UTF-8
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
    else:
        raise DataError(f"{file}:{line}: neither Windows-1252 nor UTF-8; get the file again")
    found = _DESCRIPTION.search(text)
    if found is None:
        line = text.count("\n", 0, text.find("<DESCRIPTION>")) + 1 if "<DESCRIPTION>" in text else 1
        raise DataError(f"{file}:{line}: no <DESCRIPTION> that ends; the file may be cut short: get it again")
    return tuple(sentence for part in found[1].split(";") if (sentence := " ".join(part.split())))


def _frequent(
    areas: Mapping[str, Mapping[str, float]], split: Mapping[str, str], least: int
) -> tuple[dict[str, list[str]], set[str]]:
    """Classes of each picture, the main one first, of those that are the main one often enough; and the other ones.

    The rarest goes first, as its pictures then count under others.
    """
    kept = {
        picture: sorted(own, key=lambda name: (own[name], name), reverse=True) for picture, own in areas.items() if own
    }
    rare: set[str] = set()
    parts = ("train", "test") if split else ("train",)
    while True:
        mains = Counter(
            (names[0], "test" if split.get(picture) == "test" else "train") for picture, names in kept.items()
        )
        occurring: set[str] = set().union(*kept.values())
        counts = {name: min(mains[name, part] for part in parts) for name in occurring}
        few = sorted((count, name) for name, count in counts.items() if count < least)
        if not few:
            return kept, rare
        # Those that are never the main one leave no picture to others, so they go together.
        gone = {name for name in counts if not any(mains[name, part] for part in parts)} or {few[0][1]}
        rare |= gone
        left = {picture: [name for name in names if name not in gone] for picture, names in kept.items()}
        kept = {picture: names for picture, names in left.items() if names}


@click.command()
@click.option("--classes", type=click.Choice(list(KINDS)), default="labels", help="255 labels, or 6 branches of them.")
@click.option("--one-class", is_flag=True, help="Only the class that covers most of a picture, not all of its classes.")
@click.option("--least", type=click.IntRange(min=1), default=LEAST, help="Training and test pairs that a class needs.")
@collection_options
def main(source: Path, classes: str, one_class: bool, least: int, partial: bool, **options: Any) -> None:
    """Make a bundle of IAPR TC-12 (20,000 pictures with descriptions) with the labels of SAIAPR TC-12."""
    make_bundle(read_iapr_tc12(source, classes=classes, one_class=one_class, least=least, partial=partial), **options)


if __name__ == "__main__":
    main()
