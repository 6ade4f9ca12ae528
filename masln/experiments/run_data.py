"""What a run is fitted on, where its configuration changes the data: other class vectors, fewer training pairs."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.data import ClassSplit, PairedDataset
from masln.experiments.config import RunConfig
from masln.preparation import make_class_vectors

__all__ = ["RunData", "run_data"]

_WIDTH = 300  # of random class vectors where the data have none: that of word2vec


@dataclasses.dataclass(frozen=True, eq=False)
class RunData:
    """The pairs that a run is fitted on.

    Attributes:
        pairs: The dataset, less what the run leaves out; only its training pairs of seen classes are meant to be read.
        facts: What of it the record of the run must say.
    """

    pairs: PairedDataset
    facts: dict[str, Any]


def run_data(dataset: PairedDataset, config: RunConfig, class_split: ClassSplit) -> RunData:
    """Change the data as the configuration of a run says.

    Class vectors are of the kinds of ``make_class_vectors``, or ``random``: directions drawn at random for each class
    split, as wide and on average as long as the dataset's own (ours). With ``train_share`` that share of the training
    pairs of each seen class stays, at least one; of two shares on one class split the smaller keeps a subset of the
    larger's (ours). Evaluation never sees the change: galleries and queries are those of the whole dataset.

    Raises:
        DataError: class vectors cannot be made, a class has none, or a file is wrong.
    """
    facts: dict[str, Any] = {}
    if config.class_vectors == "random":
        vectors = _random_vectors(dataset, class_split)
        dataset = dataclasses.replace(dataset, class_embeddings=vectors)
        facts["class_vectors"] = {"kind": "random", "seed": class_split.hash}
    elif config.class_vectors != "own":
        made, record = _made_vectors(dataset.class_names, config.class_vectors)
        dataset = dataclasses.replace(dataset, class_embeddings=made)
        facts["class_vectors"] = record
    if config.train_share < 1:
        kept = _kept(dataset, class_split, config.train_share)
        # The others stand aside as test pairs, which a fit never reads: features need not be copied.
        split = np.where(np.isin(np.arange(len(dataset)), kept), "train", "test")
        dataset = dataclasses.replace(dataset, split=split)
        facts["training_pairs"] = len(kept)
    return RunData(dataset, facts)


def _random_vectors(dataset: PairedDataset, class_split: ClassSplit) -> NDArray[np.float32]:
    own = dataset.class_embeddings
    width = _WIDTH if own is None else own.shape[1]
    length = 1.0 if own is None else float(np.linalg.norm(own, axis=1).mean())
    drawn = np.random.default_rng(int(class_split.hash, 16)).normal(size=(len(dataset.class_names), width))
    drawn *= length / np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn.astype(np.float32)


@lru_cache(maxsize=4)
def _made_vectors(names: tuple[str, ...], kind: str) -> tuple[NDArray[np.float32] | None, dict[str, Any]]:
    """Once a process: an encoder takes seconds to load."""
    return make_class_vectors(names, kind)


def _kept(dataset: PairedDataset, class_split: ClassSplit, share: float) -> NDArray[np.intp]:
    rows = dataset.rows_of(class_split.seen, dataset.rows("train"))
    rng = np.random.default_rng(int(class_split.hash, 16))
    kept = []
    for c in class_split.seen:
        own = rng.permutation(rows[dataset.labels[rows] == c])
        kept.append(own[: max(1, round(share * len(own)))])
    return np.sort(np.concatenate(kept))
