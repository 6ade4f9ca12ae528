"""JointScorer: a deep method that, beside its encoders, scores a picture and a text that look at each other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from masln.errors import DataError
from masln.models.deep import DeepMethod, TwoTower
from masln.nn import MatchedItems
from masln.training import FeatureSource

__all__ = ["JointScorer", "JointTower"]

_ITEMS = 256  # ours: pictures, and texts, made ready at once
_PAIRS = 256  # ours: pairs scored at once; fewer or more are hardly faster (benchmarks/reranking.py)
Rows = NDArray[np.int64]


class JointTower(TwoTower):
    """Two encoders, and a scorer of pairs that works on what is between their layers."""

    @abstractmethod
    def items(self, modality: str, features: Tensor, mask: Tensor | None = None) -> MatchedItems:
        """Pictures or texts made ready, from scaled features and the mask of tokens."""

    @abstractmethod
    def joint_scores(self, images: MatchedItems, texts: MatchedItems) -> Tensor:
        """Scores (p,) of p pairs: picture i with text i."""

    @abstractmethod
    def attention_weights(self, images: MatchedItems, texts: MatchedItems) -> Tensor:
        """How much each word of p pairs looks at each region, (p, words, regions); 0 where no word is."""


class JointScorer(DeepMethod):
    """A method whose joint score re-ranks what its own encoders found; its network is a ``JointTower``."""

    def score(
        self,
        image: NDArray[Any],
        text: NDArray[Any],
        text_mask: NDArray[np.bool_] | None = None,
        *,
        image_rows: NDArray[Any] | None = None,
        text_rows: NDArray[Any] | None = None,
        pairs_at_once: int = _PAIRS,
    ) -> NDArray[np.float32]:
        """Scores of pairs of a picture and a text, higher where they belong together.

        Pictures and texts are made ready in blocks, and pairs scored in chunks, so that memory does not grow with
        the number of any of them. A score does not depend on its company, up to rounding.

        Args:
            image: (n, d_image), or (n, regions, d_image); may be memory-mapped.
            text: (m, d_text), or (m, tokens, d_text).
            text_mask: (m, tokens) bool, with sequences alone.
            image_rows: (p,) row of the picture of each pair; None: picture i goes with text i, and n is m.
            text_rows: (p,) row of its text; given with ``image_rows``.
            pairs_at_once: Size of a chunk.

        Returns:
            (p,) scores.

        Raises:
            DataError: features do not fit or are not finite, or rows are not there.
        """
        pairs = self._pairs(image, text, text_mask, image_rows, text_rows)
        scores = np.empty(len(pairs[0]), dtype=np.float32)
        for chosen, images, texts in self._chunks(image, text, text_mask, *pairs, pairs_at_once):
            scores[chosen] = self._tower.joint_scores(images, texts).float().cpu().numpy()
        if not np.isfinite(scores).all():
            first = int(np.argmin(np.isfinite(scores)))
            raise DataError(
                f"the score of image row {pairs[0][first]} and text row {pairs[1][first]} is not finite; "
                "repair or drop what is not finite in their features"
            )
        return scores

    def attention(
        self, image: NDArray[Any], text: NDArray[Any], text_mask: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """How much each word of a pair looks at each region of its picture.

        Args:
            image: (n, regions, d_image), or (n, d_image), one region.
            text: (n, tokens, d_text), or (n, d_text), one token.
            text_mask: (n, tokens) bool, with sequences alone.

        Returns:
            (n, tokens, regions), the mean over heads; each word's weights sum to 1, and are 0 where no word is.

        Raises:
            DataError: features do not fit.
        """
        pairs = self._pairs(image, text, text_mask, None, None)
        tokens, regions = (X.shape[1] if X.ndim == 3 else 1 for X in (text, image))
        weights = np.zeros((len(image), tokens, regions), dtype=np.float32)
        for chosen, images, texts in self._chunks(image, text, text_mask, *pairs, _PAIRS):
            found = self._tower.attention_weights(images, texts).float().cpu().numpy()
            weights[chosen, : found.shape[1]] = found
        return weights

    @property
    def _tower(self) -> JointTower:
        assert isinstance(self.network_, JointTower)
        return self.network_

    def _pairs(
        self,
        image: NDArray[Any],
        text: NDArray[Any],
        text_mask: NDArray[np.bool_] | None,
        image_rows: NDArray[Any] | None,
        text_rows: NDArray[Any] | None,
    ) -> tuple[Rows, Rows]:
        self._check_features(image, "image")
        self._check_features(text, "text", text_mask)
        if image_rows is None and text_rows is None:
            if len(image) != len(text):
                raise DataError(f"{len(image)} images and {len(text)} texts are no pairs; give the rows of each pair")
            return np.arange(len(image)), np.arange(len(text))
        rows = []
        for name, given, count in (("image", image_rows, len(image)), ("text", text_rows, len(text))):
            own = np.asarray([] if given is None else given)
            if given is None or own.ndim != 1 or own.dtype.kind not in "iu":
                raise DataError(f"{name}_rows must be (p,) whole numbers, one a pair, given for both modalities")
            if len(own) and not 0 <= own.min() <= own.max() < count:
                raise DataError(f"{name}_rows run from {own.min()} to {own.max()} but there are {count} {name}s")
            rows.append(own.astype(np.int64))
        if len(rows[0]) != len(rows[1]):
            raise DataError(f"{len(rows[0])} image_rows and {len(rows[1])} text_rows: one of each makes a pair")
        return rows[0], rows[1]

    @torch.no_grad()
    def _chunks(
        self,
        image: NDArray[Any],
        text: NDArray[Any],
        text_mask: NDArray[np.bool_] | None,
        image_rows: Rows,
        text_rows: Rows,
        pairs_at_once: int,
    ) -> Iterator[tuple[Rows, MatchedItems, MatchedItems]]:
        """Yield the pairs in chunks, by their numbers, with pictures and texts made ready.

        Sorted by blocks of pictures and of texts, so that pictures are made ready once and texts once for each block
        of pictures that they are paired with.
        """
        self.network_.eval()
        images, texts = (
            _Blocks(self, "image", image, None, image_rows),
            _Blocks(self, "text", text, text_mask, text_rows),
        )
        order = np.lexsort((texts.block, images.block))
        keys = images.block[order] * (texts.count + 1) + texts.block[order]
        for tile in np.split(order, np.flatnonzero(np.diff(keys)) + 1):
            for start in range(0, len(tile), pairs_at_once):
                chosen = tile[start : start + pairs_at_once]
                yield chosen, images.take(chosen), texts.take(chosen)


class _Blocks:
    """The rows of one modality that some pair asks for, in blocks, the last one made ready being kept."""

    def __init__(
        self,
        method: JointScorer,
        modality: str,
        features: NDArray[Any],
        mask: NDArray[np.bool_] | None,
        rows: Rows,
    ) -> None:
        device = next(method.network_.parameters()).device
        self.tower, self.modality = method._tower, modality
        self.source = FeatureSource(features, method.scalings_[modality], device, in_memory=False, mask=mask)
        self.wanted, self.place = np.unique(rows, return_inverse=True)
        self.block = self.place // _ITEMS
        self.count = -(-len(self.wanted) // _ITEMS)
        self.kept: tuple[int, MatchedItems] | None = None

    def take(self, chosen: Rows) -> MatchedItems:
        """The items of pairs that are all in one block."""
        block = int(self.block[chosen[0]])
        if self.kept is None or self.kept[0] != block:
            rows = torch.from_numpy(self.wanted[block * _ITEMS : (block + 1) * _ITEMS])
            self.kept = block, self.tower.items(self.modality, *_trimmed(*self.source.inputs(rows)))
        place = torch.from_numpy(self.place[chosen] - block * _ITEMS).to(self.source.device)
        return self.kept[1].take(place)


def _trimmed(features: Tensor, mask: Tensor | None = None) -> tuple[Tensor, ...]:
    """Without the last positions, where no row has a token: nothing is seen there."""
    if mask is None:
        return (features,)
    length = int(mask.any(dim=0).nonzero().max()) + 1
    return features[:, :length], mask[:, :length]
