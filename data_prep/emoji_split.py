"""Parts the emoji concepts into train and test; what shares its subject stays together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data_prep.emoji_classes import mask
from data_prep.emoji_sources import Concept

TEST_SHARE, LEAST_TEST = 0.25, 4  # ours
SEED = 0


def kindred(concepts: Sequence[Concept]) -> list[str]:
    """The group of each concept: "cow" and "cow face" are one subject, and their texts are the same once masked.

    Args:
        concepts: n concepts.

    Returns:
        n hexcodes: of the first concept of the same class and masked name.
    """
    first: dict[tuple[str, str], str] = {}
    keys = [(concept.class_name, mask(concept.name).lower() or concept.hexcode) for concept in concepts]
    return [first.setdefault(key, concept.hexcode) for key, concept in zip(keys, concepts, strict=True)]


def split_concepts(class_names: Sequence[str], groups: Sequence[str], *, seed: int = SEED) -> NDArray[np.str_]:
    """Part concepts into train and test, class by class, a group never parted.

    Args:
        class_names: The class of each concept, n of them.
        groups: The group of each concept.
        seed: Of the draw.

    Returns:
        (n,) `train` or `test`: about a quarter of each class is test, four concepts at least; one group stays train.
    """
    classes, kin = np.array(class_names), np.array(groups)
    split = np.full(len(classes), "train", dtype="<U5")
    for position, name in enumerate(sorted(set(class_names))):
        own = classes == name
        wanted = max(LEAST_TEST, round(TEST_SHARE * int(own.sum())))
        drawn = np.random.default_rng([seed, position]).permutation(np.unique(kin[own]))
        for group in drawn[:-1].tolist():
            if int((split[own] == "test").sum()) >= wanted:
                break
            split[own & (kin == group)] = "test"
    return split
