"""The attention of one pair: for each word of its text, where in its picture a joint scorer looks (extra ``plots``)."""

from __future__ import annotations

import difflib
import io
import math
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from masln.data import PairedDataset, find_bundle, load_dataset
from masln.errors import CheckpointError, ConfigError, DataError, MissingExtraError
from masln.experiments import RunDirectory, check_data, run_with_attention
from masln.features import Word2Vec, load_extractor, read_image
from masln.features.words import words_of
from masln.inspection import find_pictures
from masln.models import JointScorer, load_method
from masln.reporting.pages import check_page_target
from masln.reporting.plots import plots_available
from masln.training import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PairAttention", "check_attention_target", "draw_attention", "pair_attention"]

FORMATS = (".png", ".pdf", ".svg")
_COLUMNS = 4


@dataclass(frozen=True, eq=False)
class PairAttention:
    """What a joint scorer sees in one pair.

    Attributes:
        pair: Its id.
        method: Registered name of the method.
        text: The raw text; empty where the bundle has none.
        words: One for each token.
        weights: (tokens, rows, columns), those of each token summing to 1 over the grid of regions.
        picture: The file.
        score: The joint score.
        cosine: Of the pair's codes.
    """

    pair: str
    method: str
    text: str
    words: tuple[str, ...]
    weights: NDArray[np.float32]
    picture: Path
    score: float
    cosine: float


def pair_attention(directory: Path, pair: str, *, images: str | Path | None = None) -> PairAttention:
    """Look up a pair of the dataset of a run, and what the run's first method with attention sees in it.

    Args:
        directory: A directory of ``masln train`` or ``masln compare``.
        pair: Its id, as in the bundle's ``pairs.csv``.
        images: The folder of the pictures; by default where the bundle says they were.

    Raises:
        ConfigError: it is no such directory, or none of its methods has attention.
        DataError: no such pair, no picture of it at hand, its regions are no grid, or the dataset is another one.
        MissingExtraError: a package that reads pictures is not installed.
    """
    config, run = run_with_attention(directory)
    dataset = load_dataset(config.data)
    own = RunDirectory(directory / run.place)
    check_data(own.read().facts, dataset, config, own.path)
    row = _row_of(dataset, pair)
    picture = _picture(dataset, row, images)
    method = load_method(own.model)
    assert isinstance(method, JointScorer)
    chosen = np.array([row])
    image, text = np.asarray(dataset.image[chosen]), np.asarray(dataset.text[chosen])
    mask = None if dataset.text_mask is None else dataset.text_mask[chosen]
    weights = method.attention(image, text, mask)[0]
    if mask is not None:
        weights = weights[mask[0]]
    side = math.isqrt(weights.shape[1])
    if side * side != weights.shape[1] or side < 2:
        raise DataError(
            f"{dataset.name} has {weights.shape[1]} regions a picture, no square grid of them; make the bundle with "
            "--image-set layout=regions"
        )
    raw = "" if dataset.texts is None else str(dataset.texts[row])
    return PairAttention(
        pair=pair,
        method=run.method,
        text=raw,
        words=_words(config.data, raw, len(weights)),
        weights=weights.reshape(-1, side, side),
        picture=picture,
        score=float(method.score(image, text, mask)[0]),
        cosine=_cosine(method.encode_image(image)[0], method.encode_text(text, mask)[0]),
    )


def check_attention_target(target: Path, *, overwrite: bool = False) -> None:
    """See before the work whether attention may be drawn to a file.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ConfigError: its name does not end in ``.png``, ``.pdf`` or ``.svg``, or its folder is not there.
        DataError: a file is there that is not to be replaced, or a folder.
    """
    if not plots_available():
        raise MissingExtraError("matplotlib", "plots", "drawing attention")
    if target.suffix.lower() not in FORMATS:
        raise ConfigError(f"cannot draw to {target}: its name must end in one of {', '.join(FORMATS)}")
    if not target.absolute().parent.is_dir():
        raise ConfigError(f"cannot draw to {target}: there is no folder {target.parent}")
    check_page_target(target, overwrite=overwrite)


def draw_attention(found: PairAttention, out: Path) -> None:
    """Draw the picture with the mean of all words over it, then a panel for each word.

    Args:
        found: The attention of a pair.
        out: A file that ``check_attention_target`` passes; replaced where it is there.

    Raises:
        DataError: the picture is damaged.
        CheckpointError: the file cannot be written.
    """
    stream = io.BytesIO()
    _figure(found).savefig(stream, format=out.suffix.lower()[1:], dpi=120)
    write_atomically(out, stream.getvalue())


def _row_of(dataset: PairedDataset, pair: str) -> int:
    assert dataset.ids is not None
    rows = np.flatnonzero(dataset.ids == pair)
    if len(rows) == 0:
        near = difflib.get_close_matches(pair, dataset.ids.tolist(), n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise DataError(f"{dataset.name} has no pair {pair!r}{hint}; its pairs.csv names all {len(dataset)}")
    return int(rows[0])


def _picture(dataset: PairedDataset, row: int, images: str | Path | None) -> Path:
    pictures = find_pictures(dataset, images)
    if pictures.folder is None:
        raise DataError(f"the pictures of {dataset.name} are not at hand: {pictures.why_not}")
    assert dataset.image_paths is not None
    return pictures.path(str(dataset.image_paths[row]))


def _words(data: str, text: str, count: int) -> tuple[str, ...]:
    """The words behind the tokens: all of the text where their number agrees, else as the bundle's extractor says."""
    words = words_of(text)
    if len(words) != count:
        folder = find_bundle(data) / "extractors" / "text"
        try:
            extractor = load_extractor(folder)
            words = extractor.tokens_of(text) if isinstance(extractor, Word2Vec) else []
        except (CheckpointError, MissingExtraError):
            words = []
    return tuple(words) if len(words) == count else tuple(f"token {number}" for number in range(1, count + 1))


def _cosine(image: NDArray[Any], text: NDArray[Any]) -> float:
    return float(image @ text / max(float(np.linalg.norm(image) * np.linalg.norm(text)), 1e-12))


def _figure(found: PairAttention) -> Figure:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    picture = np.asarray(read_image(found.picture))
    regions = found.weights[0].size
    shares = np.concatenate([found.weights.mean(axis=0, keepdims=True), found.weights]) * regions
    titles = ["all words, mean", *found.words]
    columns = min(_COLUMNS, len(titles))
    rows = -(-len(titles) // columns)
    height = 2.6 * picture.shape[0] / picture.shape[1]
    figure = Figure(layout="constrained", figsize=(2.6 * columns + 1.0, (height + 0.1) * rows + 0.6))
    axes = np.atleast_1d(figure.subplots(nrows=rows, ncols=columns, squeeze=False)).ravel()
    scale = Normalize(0.0, float(shares.max()))  # one for all panels, so that they can be held against each other
    extent = (-0.5, picture.shape[1] - 0.5, picture.shape[0] - 0.5, -0.5)
    grey = picture.mean(axis=-1) if picture.ndim == 3 else picture
    for axis, title, share in zip(axes, titles, shares, strict=False):
        # In grey, and clearer where less is looked at: colours of the picture would be read as weights.
        axis.imshow(grey, cmap="gray", vmin=0, vmax=255)
        own = scale(share)
        axis.imshow(share, cmap="inferno", norm=scale, alpha=0.2 + 0.5 * own, extent=extent, interpolation="bilinear")
        axis.set_title(title, fontsize=10)
    for axis in axes:
        axis.set_axis_off()
    bar = figure.colorbar(ScalarMappable(scale, "inferno"), ax=axes.tolist(), shrink=0.8, aspect=30)
    bar.set_label(f"weight, in times the even share of 1/{regions}")
    figure.suptitle(
        f"{textwrap.fill(f'{found.pair}: {found.text}', 32 * columns)}\n"
        f"{found.method}: joint score {found.score:.2f}, cosine of the codes {found.cosine:.2f}",
        fontsize=10,
    )
    return figure
