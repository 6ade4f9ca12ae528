"""The bundles that benchmarks and tuning run on: research sets made from local files, and the bundled default."""

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
from masln.preparation import Preparation, prepare

__all__ = ["photo_bundles", "research_bundles", "wikipedia_features"]

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


def wikipedia_features(data_root: Path, out: Path) -> Path:
    """Make the bundle of CNN-128 images and LDA-10 text with MiniLM class vectors, and say where it lies.

    Args:
        data_root: The folder with `wikipedia/` and `word_vectors/`.
        out: The bundle; kept where it is there already.

    Raises:
        DataError: If a file is missing or its rows do not match.
    """
    if not out.exists():
        wikipedia_bundle(
            data_root / "wikipedia",
            out,
            image_features=f"{data_root}/wikipedia/wikipedia.npz:image_cnn128_roph",
            class_vectors=f"{data_root}/word_vectors/class_minilm.npz:wikipedia_minilm",
        )
    return out


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
    wikipedia_features(data_root, bundles["wikipedia"])
    for name, study in STUDIES.items():
        if not bundles[name].exists():
            _make(name, study, data_root, bundles[name])
    return {**bundles, "emoji": find_bundle("emoji")}


def photo_bundles(data_root: Path, out: Path, *, captions: str = "each", progress: bool = False) -> dict[str, Path]:
    """Make the two bundles of the RSICD photos that are not there yet, as ``masln prepare`` would.

    They have the same pairs. `photos-sequences-CAPTIONS` has the 7 x 7 regions of EfficientNet-Lite0's last map and the
    GloVe vectors of up to 32 words, in float16; `photos-CAPTIONS` has the means of both, for methods that take no
    sequences. The images are read in about a minute each time.

    Args:
        data_root: The folder with `rsicd/photos.csv` and `rsicd/photos/`.
        out: Where the bundles go; one that is already there is kept.
        captions: `each`, a pair a caption (6,975 of the 1,395 photos), or `first`, a pair a photo.
        progress: Show bars, where standard error is a terminal.

    Returns:
        The folder of each bundle, by name.

    Raises:
        MaslnError: As of `masln.preparation.prepare`.
    """
    layouts = {f"photos-{captions}": ("global", "global"), f"photos-sequences-{captions}": ("regions", "tokens")}
    bundles = {name: out / name for name in layouts}
    for name, (image, text) in layouts.items():
        if not bundles[name].exists():
            settings = Preparation(
                images=data_root / "rsicd" / "photos",
                table=data_root / "rsicd" / "photos.csv",
                image_column="image",
                text_columns=tuple(f"caption_{number}" for number in range(1, 6)),
                class_column="class",
                split_column="split",
                captions=captions,
                image_settings={"layout": image},
                text_extractor="word2vec",
                text_settings={"layout": text},
                dtype="float16",
                licence=LICENCE,
                source="RSICD (Lu et al. 2017), 45 photos a class",
            )
            prepare(settings, bundles[name], progress=progress)
    return bundles


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
@click.option(
    "--photos", type=click.Choice(["each", "first"]), help="Those of the RSICD photos instead, by pairs of captions."
)
@one_line_errors
def main(data_root: Path, out: Path, photos: str | None) -> None:
    """Make the study bundles that are not there yet."""
    bundles = (
        photo_bundles(data_root, out, captions=photos, progress=True) if photos else research_bundles(data_root, out)
    )
    for name, folder in bundles.items():
        click.echo(f"{name}: {folder}")


if __name__ == "__main__":
    main()
