"""A small corpus of our own with two topics, drawn by a seed; and what is asked of the oracles."""

from __future__ import annotations

import re

import numpy as np

TOPICS = (
    ["plane", "airport", "runway", "terminal", "jet", "pilot", "wing", "tower"],
    ["river", "water", "bridge", "boat", "bank", "stream", "flow", "fish"],
)
COMMON = ["the", "of", "a", "and", "green", "many", "near", "small"]


def make_corpus(n: int = 60, *, seed: int = 0) -> list[str]:
    """Texts of 20 words, mostly of one topic; words are drawn unevenly, as in a language."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, 9)
    texts = []
    for number in range(n):
        own = rng.choice(TOPICS[number % 2], 12, p=weights / weights.sum())
        texts.append(" ".join(rng.permutation([*own, *rng.choice(COMMON, 8)])) + ".")
    return texts


def plain_words(text: str) -> list[str]:
    """The words of a text, found in another way than the package does."""
    return [word for word in re.sub(r"[^a-z0-9]", " ", text.lower()).split(" ") if word]
