"""Near texts against comparing each with each, as sets of runs of characters."""

from __future__ import annotations

import json

import numpy as np
import pytest

from masln.inspection import near_texts as module
from masln.inspection.near_texts import OVERLAP, near_texts, normal_text


def runs(text: str) -> set[str]:
    padded = f" {text} "
    return {padded[at : at + 4] for at in range(len(padded) - 3)}


def naive(texts: list[str]) -> dict[tuple[int, int], float]:
    pairs = {}
    sets = [runs(text) for text in texts]
    for i, own in enumerate(sets):
        for j in range(i + 1, len(sets)):
            union = len(own | sets[j])
            if union and len(own & sets[j]) >= OVERLAP * union - 1e-9:
                pairs[i, j] = 1 - len(own & sets[j]) / union
    return pairs


def found_in(texts: list[str]) -> dict[tuple[int, int], float]:
    pairs: dict[tuple[int, int], float] = {}
    for part in near_texts(texts):
        for first, second, distance in zip(*(values.tolist() for values in part), strict=True):
            assert (first, second) not in pairs
            pairs[first, second] = distance
    return pairs


def edited(seed: int, *, words: int, count: int = 150) -> list[str]:
    """Texts of a small vocabulary, and copies with a few words, endings or orders changed."""
    rng = np.random.default_rng(seed)
    vocabulary = ["".join(rng.choice(list("aeioulmnrst"), rng.integers(3, 9))) for _ in range(60)]
    texts = []
    while len(texts) < count:
        own = rng.choice(vocabulary, rng.integers(1, words)).tolist()
        texts.append(" ".join(own))
        for _ in range(3):
            at = int(rng.integers(len(own)))
            own[at] = [own[at] + "s", str(rng.choice(vocabulary)), own[at][1:]][rng.integers(3)]
            texts.append(" ".join(own))
    return list(dict.fromkeys(normal_text(text) for text in texts if text.strip()))


@pytest.mark.parametrize(("words", "work", "checked"), [(12, 1 << 22, 1 << 22), (40, 1 << 22, 1 << 22), (40, 50, 90)])
def test_every_near_pair_once_whatever_the_steps(monkeypatch, words, work, checked):
    monkeypatch.setattr(module, "_WORK", work)
    monkeypatch.setattr(module, "_CHECKED", checked)
    texts = edited(words, words=words)
    expected = naive(texts)
    assert found_in(texts) == pytest.approx(expected) and len(expected) > 3


def test_texts_that_just_overlap_enough_or_just_not():
    """A text and the same with rare letters after it: of its rarest runs it shares as few as a near text can."""
    rng = np.random.default_rng(0)
    texts = []
    for length in range(50, 220, 5):
        start, end = ("".join(rng.choice(list("abcdefghijklmnop"), count)) for count in (length, 40))
        enough = max(
            more
            for more in range(1, 40)
            if len(runs(start) & runs(start + end[:more])) >= OVERLAP * len(runs(start) | runs(start + end[:more]))
        )
        texts += [start, start + end[:enough], start + end[: enough + 1]]
    expected = naive(texts)
    assert found_in(texts) == pytest.approx(expected)
    assert sum(1 - distance < OVERLAP + 0.01 for distance in expected.values()) > 20


def test_texts_of_other_scripts_and_hardly_any_characters():
    texts = [
        "红色的花在白色的背景上很美丽",
        "红色的花在白色的背景上很美丽啊",
        "a",
        "ab",
        "abc",
        "किताब मेज पर रखी हुई है",
        "कताब मज पर रख हई ह",
    ]
    assert found_in(texts) == pytest.approx(naive(texts))
    assert found_in(["a", "b"]) == {} == found_in([])


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  Two planes,\tnear a Building. ", "two planes near a building"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("ﬁne①", "fine1"),
        ("T-shirt/top", "t shirt top"),
        ("C++ costs $5", "c++ costs $5"),
        ("की", "की"),
        ("😀 a", "😀 a"),
        ("a\0b\ud800c", "a b c"),
        ("...!?", ""),
        ("", ""),
    ],
)
def test_what_is_no_content_goes(text, normal):
    assert normal_text(text) == normal


def test_real_captions_against_the_naive_count(shared_data):
    captions = json.loads((shared_data / "rsicd" / "captions.json").read_text(encoding="utf-8"))
    texts = list(dict.fromkeys(normal_text(one) for own in captions.values() for one in own))[:1500]
    found = found_in(texts)
    assert found == pytest.approx(naive(texts)) and len(found) > 3
