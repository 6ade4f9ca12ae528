"""The bundles that benchmarks and tuning run on: three research sets made from local files, and the bundled default."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from data_prep.array_files import Array, read_array
from data_prep.arrays import arrays_to_bundle
from data_prep.command_line import one_line_errors
from data_prep.wikipedia import wikipedia_bundle
from masln.data import find_bundle
from masln.errors import DataError

LICENCE = "research data of third parties, not redistributed"


@dataclass(frozen=True)
class _Study:
    """Where one array set of a research dataset lies: folder, array keys, class vectors."""

    folder: str
    text: str
    split: str
    ids: str
    source: str


STUDIES = {
    "rsicd": _Study("rsicd", "text_minilm", "split_official", "files", "RSICD (Lu et al. 2017)"),
    "rsicd-bow": _Study("rsicd", "text_bow1000", "split_official", "files", "RSICD (Lu et al. 2017)"),
    "fashion": _Study("fashion", "text_bow_masked", "split", "ids", "fashion product photos, class words masked"),
}


def research_bundles(data_root: Path, out: Path) -> dict[str, Path]:
    """Make the study bundles that are not there yet, and say where each lies.

    `wikipedia` is CNN-128 images and LDA-10 text; `rsicd` and `rsicd-bow` are EfficientNet-Lite0 images with sentence
    vectors or word counts; `fashion` is EfficientNet-Lite0 images with word counts, class words masked; all have
    MiniLM class vectors. `emoji` is the bundled default.

    Args:
        data_root: The folder with `wikipedia/`, `rsicd/`, `fashion/` and `word_vectors/`.
        out: Where the bundles go; one that is already there is kept.

    Returns:
        The folder of each bundle, by name.

    Raises:
        DataError: If a file is missing or its rows do not match.
    """
    bundles = {"wikipedia": out / "wikipedia", **{name: out / name for name in STUDIES}}
    if not bundles["wikipedia"].exists():
        wikipedia_bundle(
            data_root / "wikipedia",
            bundles["wikipedia"],
            image_features=f"{data_root}/wikipedia/wikipedia.npz:image_cnn128_roph",
            class_vectors=f"{data_root}/word_vectors/class_minilm.npz:wikipedia_minilm",
        )
    for name, study in STUDIES.items():
        if not bundles[name].exists():
            _make(name, study, data_root, bundles[name])
    return {**bundles, "emoji": find_bundle("emoji")}


def _make(name: str, study: _Study, data_root: Path, out: Path) -> None:
    archive = data_root / study.folder / f"{study.folder}.npz"
    vectors = data_root / "word_vectors" / "class_minilm.npz"
    ids = read_array(f"{archive}:{study.ids}")
    arrays_to_bundle(
        out,
        name=name,
        image=read_array(f"{archive}:image"),
        text=read_array(f"{archive}:{study.text}"),
        labels=read_array(f"{archive}:label"),
        class_names=read_array(f"{archive}:class_names"),
        class_vectors=read_array(f"{vectors}:{study.folder}_minilm"),
        class_vector_names=read_array(f"{vectors}:{study.folder}_names"),
        split=read_array(f"{archive}:{study.split}"),
        ids=ids,
        texts=_raw_texts(data_root / study.folder, archive, ids),
        licence=LICENCE,
        source=study.source,
        recipe={"image": "EfficientNet-Lite0, global average", "text": study.text, "class_vectors": "MiniLM"},
    )


def _raw_texts(folder: Path, archive: Path, ids: Array) -> Array:
    """The raw text of each pair; the five captions of an image are joined."""
    captions = folder / "captions.json"
    if not captions.is_file():
        return read_array(f"{archive}:raw_text")
    by_image = json.loads(captions.read_text(encoding="utf-8"))
    missing = [name for name in ids.tolist() if name not in by_image]
    if missing:
        raise DataError(f"{captions}: no captions for {missing[0]} and {len(missing) - 1} more")
    return np.array([" ".join(by_image[name]) for name in ids.tolist()])


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path), required=True, help="Folder of the research data.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the bundles go.")
@one_line_errors
def main(data_root: Path, out: Path) -> None:
    """Make the study bundles that are not there yet."""
    for name, folder in research_bundles(data_root, out).items():
        click.echo(f"{name}: {folder}")


if __name__ == "__main__":
    main()
