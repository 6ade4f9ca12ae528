"""The classes of the emoji set, made from CLDR subgroups, and the masking of class words in the texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

from masln.features.masking import mask_words, word_forms

# Our choice, after looking at the drawings: subgroups under 16 concepts are merged where the result still has one plain
# name (prepared and Asian food and sweets are meals; ships, planes and cars are vehicles). Left out, with the reason:
# - flags, keycaps, letters, arrows, signs, buttons, shapes and other symbols: a sign drawn in a box, not a thing;
# - skin tones, hair and gendered forms: each concept is taken once, in its neutral yellow form;
# - hearts, clock faces and unhappy or neutral faces: the same drawing over and over, with another colour or hour;
# - reptiles, dishware, mail, money, locks, science, medicine, crafts, religion, zodiac: fewer than 16, no kin.
SUBGROUP_TO_CLASS: Mapping[str, str] = {
    "animal-mammal": "mammal",
    "animal-bird": "bird",
    "animal-marine": "fish",
    "animal-bug": "insect",
    "plant-flower": "plant",
    "plant-other": "plant",
    "food-fruit": "fruit",
    "food-vegetable": "vegetable",
    "food-prepared": "meal",
    "food-asian": "meal",
    "food-sweet": "meal",
    "drink": "drink",
    "place-geographic": "landscape",
    "place-other": "landscape",
    "place-building": "building",
    "place-religious": "building",
    "transport-ground": "vehicle",
    "transport-water": "vehicle",
    "transport-air": "vehicle",
    "sky-weather": "weather",
    "event": "celebration",
    "sport": "sport",
    "award-medal": "sport",
    "game": "game",
    "clothing": "clothing",
    "sound": "music",
    "music": "music",
    "musical-instrument": "music",
    "computer": "computer",
    "phone": "computer",
    "light-video": "film",
    "book-paper": "book",
    "office": "office",
    "writing": "office",
    "tool": "tool",
    "household": "household",
    "hand-fingers-open": "hand",
    "hand-fingers-partial": "hand",
    "hand-single-finger": "hand",
    "hand-fingers-closed": "hand",
    "hands": "hand",
    "hand-prop": "hand",
    "body-parts": "body",
    "person-role": "profession",
    "face-smiling": "smile",
    "face-affection": "smile",
    "face-tongue": "smile",
    "face-hand": "smile",
    "face-hat": "smile",
    "face-glasses": "smile",
}
CLASSES: tuple[str, ...] = tuple(sorted(set(SUBGROUP_TO_CLASS.values())))
# Words of a subgroup's name that only qualify it: "hat" is what three faces wear and a dozen clothes are.
QUALIFIERS = frozenset(
    [
        "affection",
        "air",
        "asian",
        "closed",
        "geographic",
        "glasses",
        "ground",
        "hat",
        "open",
        "other",
        "partial",
        "parts",
        "prepared",
        "prop",
        "religious",
        "single",
        "sweet",
        "tongue",
        "water",
    ]
)
# Words that say a class outright but do not come out of its name by an ending.
KIN: Mapping[str, tuple[str, ...]] = {
    "mammal": ("mammalian",),
    "fish": ("sea", "ocean"),
    "meal": ("eat", "dish"),
    "clothing": ("clothes", "clothe", "cloth", "wear"),
    "music": ("musical", "musician", "instrument"),
    "celebration": ("celebrate",),
    "film": ("movie", "cinema"),
    "profession": ("professional", "occupation", "job", "worker"),
    "smile": ("smiley",),
    "body": ("bodily",),
    "landscape": ("scenery",),
    "vehicle": ("vehicular",),
}


def class_words() -> dict[str, tuple[str, ...]]:
    """The base words masked for each class: its name, its subgroups' words less the qualifiers, and its kin.

    Returns:
        The words of each class, sorted; the masking also covers their inflections.
    """
    words: dict[str, set[str]] = {name: {name, *KIN.get(name, ())} for name in CLASSES}
    for subgroup, name in SUBGROUP_TO_CLASS.items():
        words[name] |= set(subgroup.split("-")) - QUALIFIERS
    return {name: tuple(sorted(chosen)) for name, chosen in words.items()}


@cache
def masked_words() -> frozenset[str]:
    """Every form of every class word.

    One list serves all texts whatever their class, so that what is missing from a text says nothing of its class.
    """
    return word_forms(word for words in class_words().values() for word in words)


def mask(phrase: str, masked: frozenset[str] | None = None) -> str:
    """Take the class words out of a phrase; the other words stay as they are, joined by single spaces.

    Args:
        phrase: A name or keyword.
        masked: The words to take out, in small letters; by default those of all classes.

    Returns:
        What is left, perhaps nothing. Hyphens and other punctuation between words become spaces.
    """
    return mask_words(phrase, masked_words() if masked is None else masked)


def masked_text(name: str, keywords: Iterable[str]) -> str:
    """The text of a concept: its name, then the keywords that say something more, all masked.

    Args:
        name: The CLDR short name.
        keywords: The CLDR keywords.

    Returns:
        `name: keyword, keyword, ...`, or nothing where masking leaves nothing.
    """
    phrases = [mask(name), *(mask(keyword) for keyword in keywords)]
    kept = list(dict.fromkeys(phrase for phrase in phrases if phrase))
    if not kept:
        return ""
    head, *rest = kept
    return f"{head}: {', '.join(rest)}" if rest else head


def is_gendered(name: str) -> bool:
    """Whether a CLDR name is the man's or woman's form of a concept that also has a neutral one."""
    return bool(re.match(r"(man|woman|men|women) ", name))
