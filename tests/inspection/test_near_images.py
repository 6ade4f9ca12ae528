"""Near fingerprints against comparing each with each."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("imagehash")
from PIL import Image

from masln.inspection import near_images
from masln.inspection.near_images import (
    COLOUR_DISTANCE,
    HASH_RADIUS,
    Fingerprints,
    near_fingerprints,
    read_fingerprints,
    unpack_fingerprints,
)
from masln.inspection.pictures import Pictures
from masln.preparation import ImageFolder
from tests.preparation.collection import draw


def found_in(of: Fingerprints) -> dict[tuple[int, int], float]:
    pairs: dict[tuple[int, int], float] = {}
    for part in near_fingerprints(of):
        for first, second, distance in zip(*(values.tolist() for values in part), strict=True):
            assert (first, second) not in pairs
            pairs[first, second] = distance
    return pairs


def clustered(count: int, seed: int) -> Fingerprints:
    """Fingerprints about a few centres, some within the limits of each other and some just beyond."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (12, 256)).astype(bool)[rng.integers(0, 12, count)]
    bits ^= rng.random((count, 256)) < rng.uniform(0, 0.08, (count, 1))
    colours = np.clip(120 + rng.integers(-12, 13, (count, 1)) + rng.integers(-6, 7, (count, 192)), 0, 255)
    return Fingerprints(np.packbits(bits, axis=1).view(np.uint64), colours.astype(np.uint8))


@pytest.mark.parametrize(("count", "rows", "columns"), [(90, 16, 4096), (90, 7, 10), (90, 16, 8), (1, 16, 4096)])
def test_every_near_pair_once_whatever_the_blocks(monkeypatch, count, rows, columns):
    monkeypatch.setattr(near_images, "_ROWS", rows)
    monkeypatch.setattr(near_images, "_COLUMNS", columns)
    monkeypatch.setattr(near_images, "_CHECKED", 5)
    of = clustered(count, seed=count)
    expected, by_hash = {}, 0
    for i in range(count):
        for j in range(i + 1, count):
            bits = sum(
                int(a ^ b).bit_count() for a, b in zip(of.hashes[i].tolist(), of.hashes[j].tolist(), strict=True)
            )
            colour = np.mean([abs(int(a) - int(b)) for a, b in zip(of.colours[i], of.colours[j], strict=True)])
            by_hash += bits <= HASH_RADIUS
            if bits <= HASH_RADIUS and colour <= COLOUR_DISTANCE:
                expected[i, j] = bits
    assert found_in(of) == expected
    assert count == 1 or 20 < len(expected) < by_hash, "the limits are met from both sides"


@pytest.mark.parametrize("first_bit", [0, 64, 128, 225])
def test_the_radius_is_met_wherever_the_bits_differ(first_bit):
    bits = np.zeros((3, 256), dtype=bool)
    bits[1, first_bit : first_bit + HASH_RADIUS] = True
    bits[2, np.arange(first_bit, first_bit - HASH_RADIUS - 1, -1)] = True
    of = Fingerprints(np.packbits(bits, axis=1).view(np.uint64), np.zeros((3, 192), dtype=np.uint8))
    assert found_in(of) == {(0, 1): HASH_RADIUS}


def test_pictures_are_read_and_broken_ones_told(tmp_path):
    for number in range(5):
        draw(tmp_path / f"{number}.png", colour=number, number=number)
    Image.open(tmp_path / "0.png").resize((20, 20)).save(tmp_path / "copy.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "1.png").read_bytes()[:60])
    names = ["0.png", "broken.png", "copy.png", "missing.png", "0.png"]
    found, unread = read_fingerprints(Pictures(ImageFolder(tmp_path)), names)
    assert [value is None for value in found] == [False, True, False, True, False] and found[0] == found[4]
    assert list(unread) == ["broken.png", "missing.png"]
    assert "broken.png: " in unread["broken.png"] and "no image 'missing.png'" in unread["missing.png"]
    distinct = [value for value in found[:4] if value is not None]
    of = unpack_fingerprints(distinct)
    assert of.hashes.shape == (2, 4) and of.colours.shape == (2, 192)
    assert b"".join((of.hashes[1].tobytes(), of.colours[1].tobytes())) == distinct[1]


def test_the_same_drawing_in_another_colour_is_no_copy(tmp_path):
    """As hearts of two colours are, to which the grey hash is blind."""
    shape = Image.new("L", (64, 64), 0)
    shape.paste(255, (10, 20, 50, 60))
    for name, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200)), ("crimson", (204, 34, 30))):
        Image.composite(Image.new("RGB", (64, 64), colour), Image.new("RGB", (64, 64), "white"), shape).save(
            tmp_path / f"{name}.png"
        )
    names = ["red.png", "blue.png", "crimson.png"]
    found, _ = read_fingerprints(Pictures(ImageFolder(tmp_path)), names)
    of = unpack_fingerprints([value for value in found if value is not None])
    assert int(np.bitwise_count(of.hashes[0] ^ of.hashes[1]).sum()) <= HASH_RADIUS
    assert list(found_in(of)) == [(0, 2)]
