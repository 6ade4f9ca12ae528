"""Every extractor's output on real photos and captions against one computed without masln.

    python -m benchmarks.extractor_oracles --data-root DIR [--out benchmarks/results/extractor_oracles.json]

An oracle takes photos or texts as they are and uses the library that the feature comes from, or numpy, with its own
reading and preprocessing, one item at a time (`benchmarks/image_oracles.py`, `benchmarks/text_oracles.py`). Written are
the largest absolute difference, the largest absolute value, and how far apart the two may be: nothing where the same
arithmetic is done, else what sums of float32 in another order give. Topics of two libraries are other numbers: there
the perplexity of held-out captions is compared. Weights of ResNet, ViT, DINOv2, CLIP, SigLIP and VGG-19 are random, as
none are to be had without a network. VGG-19 is held against its layers written out, at full size: torchvision does not
load beside the CPU build of torch.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import json
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import image_oracles, text_oracles
from masln.features import extractor_names, load_packaged_glove, make_extractor
from masln.progress import progress_bar
from masln.saving import write_atomically

Array = NDArray[Any]
#: Extractor, what is compared with what, the two, and the largest difference that may be.
Compared = tuple[str, str, Array, Array, float]
SEED = 3
MIN_TEXTS, TOPICS, PASSES, WIDTH, EPOCHS = 3, 10, 5, 50, 5
SEEDS = (SEED, SEED + 1, SEED + 2)
PERPLEXITY_RATIO = 1.1  # ours, of means over seeds: those of one library differ by as much


def of_images(photos: Sequence[Path], folder: Path, vgg_photos: int) -> Iterator[Compared]:
    """Photos through each image extractor and its oracle."""
    pooled, regions = image_oracles.efficientnet(photos)
    for layout, expected, allowed in (("global", pooled, 2e-5), ("regions", regions, 1e-4)):
        ours = make_extractor("efficientnet-lite0", layout=layout).transform(photos)
        yield "efficientnet-lite0", f"{layout}, a direct forward of the packaged network", ours, expected, allowed
    for kind in image_oracles.TOWERS:
        image_oracles.save_tower(kind, folder / kind, SEED)
        ours = make_extractor("hf-vision", model=str(folder / kind)).transform(photos)
        by = "its model and processor" if kind in ("clip", "siglip") else "transformers' image pipeline"
        yield "hf-vision", f"{kind}, {by}", ours, image_oracles.tower(kind, folder / kind, photos), 1e-5
    state = image_oracles.random_vgg19(SEED)
    torch.save(state, folder / "vgg19.pth")
    some = photos[:vgg_photos]
    ours = make_extractor("vgg19-fc7", weights=str(folder / "vgg19.pth")).transform(some)
    yield "vgg19-fc7", "fc7, its layers written out", ours, image_oracles.vgg19(state, some), 1e-4


def of_texts(train: Sequence[str], test: Sequence[str]) -> Iterator[Compared]:
    """Captions through each text extractor and its oracle."""
    few = {"max_words": 0, "min_texts": MIN_TEXTS}
    ours = make_extractor("bag-of-words", **few).fit(train).transform(test)
    yield "bag-of-words", "scikit-learn", ours, text_oracles.counts(train, test, min_texts=MIN_TEXTS)[0], 0.0
    ours = make_extractor("tfidf", **few).fit(train).transform(test)
    yield "tfidf", "scikit-learn", ours, text_oracles.tfidf(train, test, min_texts=MIN_TEXTS), 1e-6

    glove = load_packaged_glove()
    ours = make_extractor("word2vec").transform(test)
    yield "word2vec", "mean of GloVe, a loop", ours, text_oracles.mean_vectors(test, glove), 2e-6
    harmonic = float(np.sum(1 / np.arange(1, len(glove) + 1)))
    expected = text_oracles.sif_vectors(
        train, test, glove, lambda word: 1 / ((glove.key_to_index[word] + 1) * harmonic)
    )
    ours = make_extractor("word2vec", pooling="sif").fit(train).transform(test)
    yield "word2vec", "SIF of GloVe, a loop", ours, expected, 1e-6
    options = {"width": WIDTH, "epochs": EPOCHS, "seed": SEED}
    vectors = text_oracles.trained_vectors(train, **options)
    ours = make_extractor("word2vec", vectors="train", **options).fit(train).transform(test)
    yield "word2vec", "mean of trained vectors, gensim", ours, text_oracles.mean_vectors(test, vectors), 1e-6
    total = sum(vectors.get_vecattr(word, "count") for word in vectors.index_to_key)
    expected = text_oracles.sif_vectors(train, test, vectors, lambda word: vectors.get_vecattr(word, "count") / total)
    ours = make_extractor("word2vec", vectors="train", pooling="sif", **options).fit(train).transform(test)
    yield "word2vec", "SIF of trained vectors, gensim and a loop", ours, expected, 1e-8

    ours = make_extractor("doc2vec", infer_epochs=EPOCHS, **options).fit(train).transform(test)
    yield "doc2vec", "gensim", ours, text_oracles.doc2vec(train, test, **options), 0.0

    ours = make_extractor("sentence").transform(test)
    yield "sentence", "transformers' text pipeline", ours, text_oracles.minilm(test), 2e-6
    if find_spec("sentence_transformers") is not None:
        expected = text_oracles.sentence_transformers_minilm(test)
        yield "sentence", "sentence-transformers", ours, expected, 2e-6


def topics(train: Sequence[str], test: Sequence[str]) -> tuple[Compared, dict[str, Any]]:
    """LDA against gensim driven directly, and its perplexity beside that of scikit-learn's."""
    fitted, vectorizer = text_oracles.counts(train, train, min_texts=MIN_TEXTS, stop_words=True)
    held_out = vectorizer.transform(test).toarray()
    found: dict[str, list[float]] = {"masln": [], "scikit-learn": []}
    features = {}
    for seed in SEEDS:
        options = {"topics": TOPICS, "passes": PASSES, "seed": seed}
        extractor: Any = make_extractor("lda", min_texts=MIN_TEXTS, **options).fit(train)
        features[seed] = extractor.transform(test)
        found["masln"].append(text_oracles.perplexity(features[seed], extractor.topic_words_, held_out))
        shares, topic_words = text_oracles.sklearn_lda(fitted, held_out, **options)
        found["scikit-learn"].append(text_oracles.perplexity(shares, topic_words, held_out))
    names = vectorizer.get_feature_names_out().tolist()
    theirs = text_oracles.lda(fitted, held_out, names, topics=TOPICS, passes=PASSES, seed=SEED)
    one = text_oracles.perplexity(np.ones((len(test), 1)), fitted.sum(axis=0, keepdims=True), held_out)
    ratio = float(np.mean(found["masln"]) / np.mean(found["scikit-learn"]))
    record: dict[str, Any] = {name: [round(value, 2) for value in values] for name, values in found.items()}
    record |= {"one topic": round(one, 2), "ratio of means": round(ratio, 4)}
    record["agrees"] = 1 / PERPLEXITY_RATIO < ratio < PERPLEXITY_RATIO
    return ("lda", "gensim", features[SEED], theirs, 1e-6), record


def torchvision_says() -> str:
    """Whether torchvision loads here, or why not."""
    try:
        import torchvision  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except Exception as error:
        return f"does not load: {type(error).__name__}: {str(error).splitlines()[0]}"
    return f"loads: {torchvision.__version__}"


def measure(data_root: Path, *, photos: int, texts: int, vgg_photos: int) -> dict[str, Any]:
    """All comparisons.

    Args:
        data_root: Holds ``rsicd``.
        photos: How many.
        texts: How many captions to compare; twice as many to fit on.
        vgg_photos: How many through VGG-19.
    """
    files = sorted((data_root / "rsicd" / "photos").iterdir())
    files = files[:: max(1, len(files) // photos)][:photos]
    captions = json.loads((data_root / "rsicd" / "captions.json").read_text(encoding="utf-8"))
    listed = [" ".join(own) if number % 2 else own[0] for number, own in enumerate(captions.values())]
    listed = listed[:: max(1, len(listed) // (3 * texts))]
    train, test = listed[: 2 * texts], listed[2 * texts : 3 * texts]
    record: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, progress_bar("oracles", 18, show=True) as advance:
        topic, perplexities = topics(train, test)
        for compared in (topic, *of_texts(train, test), *of_images(files, Path(folder), vgg_photos)):
            name, what, ours, expected, allowed = compared
            if ours.shape != expected.shape:
                raise click.ClickException(f"{name} ({what}): {ours.shape} but {expected.shape}")
            difference = float(np.abs(ours.astype(np.float64) - expected).max())
            facts = {
                "items": len(ours),
                "max_abs_difference": difference,
                "max_abs_value": float(np.abs(expected).max()),
            }
            record.setdefault(name, {})[what] = facts | {"allowed": allowed, "agrees": difference <= allowed}
            advance()
    lacking = sorted(set(extractor_names()) - set(record))
    if lacking:
        raise click.ClickException(f"no oracle of {', '.join(lacking)}")
    return {"extractors": record, "lda_perplexity": perplexities, "torchvision": torchvision_says()}


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path, exists=True), required=True, help="Holds rsicd.")
@click.option("--photos", default=64, show_default=True)
@click.option("--texts", default=1000, show_default=True, help="Captions to compare; twice as many to fit on.")
@click.option("--vgg-photos", default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/extractor_oracles.json"))
def main(data_root: Path, photos: int, texts: int, vgg_photos: int, out: Path) -> None:
    """Compare every extractor with its oracle; exit code 1 where they differ."""
    result = measure(data_root.resolve(), photos=photos, texts=texts, vgg_photos=vgg_photos)
    result = {"photos": photos, "texts": texts} | result
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
    click.echo(json.dumps(result, indent=1))
    facts = [facts for each in result["extractors"].values() for facts in each.values()]
    if not all(one["agrees"] for one in [*facts, result["lda_perplexity"]]):
        raise click.ClickException("an extractor differs from its oracle")


if __name__ == "__main__":
    main()
