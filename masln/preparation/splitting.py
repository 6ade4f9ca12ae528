"""The official split of a collection: drawn class by class, pairs that share something never parted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from masln.errors import SplitError

__all__ = ["check_classes", "components", "draw_split"]


def components(*keys: Sequence[str]) -> NDArray[np.int64]:
    """Number the sets of pairs that hang together: pairs that share a key, directly or through others.

    Args:
        keys: Sequences of n; an empty text is shared with nobody.

    Returns:
        (n,) numbers from 0 in the order of first pairs.
    """
    parent = list(range(len(keys[0])))

    def root(pair: int) -> int:
        while parent[pair] != pair:
            parent[pair] = parent[parent[pair]]
            pair = parent[pair]
        return pair

    for values in keys:
        first: dict[str, int] = {}
        for pair, value in enumerate(values):
            if value:
                one, other = root(first.setdefault(value, pair)), root(pair)
                parent[max(one, other)] = min(one, other)
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(root(pair), len(numbers)) for pair in range(len(parent))], dtype=np.int64)


def draw_split(
    labels: Sequence[str],
    together: NDArray[np.int64],
    *,
    test_share: float = 0.25,
    seed: int = 0,
    source: str | Path = "the table",
) -> NDArray[np.str_]:
    """Draw test pairs from every class, whole components at a time.

    A component belongs to the class of its first pair. Components of a class are taken in random order until its share
    of test pairs is reached; one is always left to train on.

    Args:
        labels: (n) names of classes.
        together: (n,) what ``components`` gave.
        test_share: Of the pairs of each class, in (0, 1).
        seed: Of the order.
        source: Where the pairs are from, for messages.

    Returns:
        (n,) ``train`` or ``test``.

    Raises:
        SplitError: the share is out of range, or a class has fewer than two components.
    """
    if not 0 < test_share < 1:
        raise SplitError(f"test share {test_share} must lie between 0 and 1, both excluded")
    rng = np.random.default_rng(seed)
    sizes = np.bincount(together)
    firsts = np.unique(together, return_index=True)[1]
    names = np.array(labels)
    owners = names[firsts]
    test = np.zeros(len(sizes), dtype=bool)
    for name in sorted(set(labels)):
        own = rng.permutation(np.flatnonzero(owners == name))
        if len(own) < 2:
            raise SplitError(
                f"{source}: class {name!r} has {int((names == name).sum())} pair(s) that cannot be parted into train "
                "and test; two that share no image or group are needed: add some, leave the class out, or give a "
                "--split-column"
            )
        wanted = max(1, round(test_share * int(sizes[own].sum())))
        before = np.concatenate([[0], np.cumsum(sizes[own])[:-1]])
        test[own[:-1][before[:-1] < wanted]] = True
    return np.where(test[together], "test", "train")


def check_classes(
    class_names: Sequence[str],
    labels: NDArray[np.int64],
    split: NDArray[np.str_],
    label_sets: NDArray[np.bool_] | None = None,
    *,
    source: str | Path = "the table",
) -> None:
    """See that an evaluation is possible.

    Args:
        class_names: All names.
        labels: (n,) ids.
        split: (n,) words.
        label_sets: (n, n_classes), for the message.
        source: Where the pairs are from, for messages.

    Raises:
        SplitError: there are fewer than two classes, a class that is the main one of no test pair, or no training pair
            at all.
    """
    if len(class_names) < 2:
        names = ", ".join(class_names)
        raise SplitError(f"{source}: only one class ({names}); two at least are needed: check the class column")
    tests = np.bincount(labels[split == "test"], minlength=len(class_names))
    lacking = [name for name, count in zip(class_names, tests, strict=True) if not count]
    if lacking:
        main = "" if label_sets is None else " as the main one"
        raise SplitError(
            f"{source}: no test pair of class {', '.join(lacking)}{main}; every class is searched for in the end: "
            "add one, leave the class out, or have a split drawn by --split-column ''"
        )
    if (split == "test").all():
        raise SplitError(f"{source}: no training pair; check the split column")
