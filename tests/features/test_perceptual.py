"""Fingerprints stay alike under what copies go through, and differ between pictures."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("imagehash")
from PIL import Image
from scipy.fft import dctn

from masln.errors import DataError, MissingExtraError
from masln.features import HASH_BITS, image_fingerprint, list_images, read_image


def bits_between(a, b) -> int:
    return int(np.bitwise_count(image_fingerprint(a)[0] ^ image_fingerprint(b)[0]).sum())


def landscape(seed: int, side: int = 160) -> Image.Image:
    """Blurred noise of several scales, which has the spectrum of a photo."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (n, n, 3), dtype=np.uint8)).resize(
                (side, side), Image.Resampling.BICUBIC
            ),
            dtype=float,
        )
        / n
        for n in (4, 8, 16, 32)
    ]
    total = sum(layers)
    return Image.fromarray((255 * (total - total.min()) / np.ptp(total)).astype(np.uint8))


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue()))


def test_the_hash_is_the_low_frequencies_against_their_median():
    image = landscape(0)
    grey = np.asarray(image.convert("L").resize((64, 64), Image.Resampling.LANCZOS), dtype=float)
    low = dctn(grey, type=2)[:16, :16]
    expected = np.packbits((low > np.median(low)).ravel())
    words, colour = image_fingerprint(image)
    np.testing.assert_array_equal(words.view(np.uint8), expected)
    assert words.shape == (HASH_BITS // 64,) and colour.shape == (8, 8, 3) and colour.dtype == np.uint8
    np.testing.assert_allclose(colour, np.asarray(image).reshape(8, 20, 8, 20, 3).mean(axis=(1, 3)), atol=1)


def test_copies_are_near_and_other_pictures_are_not():
    image, other = landscape(1), landscape(2)
    for copy in (image.resize((80, 80)), as_jpeg(image, 30), as_jpeg(image.resize((90, 120)), 60)):
        assert bits_between(image, copy) <= 16
    assert bits_between(image, other) > 80
    grey = image.convert("L")
    assert bits_between(image, grey) == 0
    assert np.abs(image_fingerprint(image)[1].astype(int) - image_fingerprint(grey)[1]).mean() > 12


def test_a_broken_picture_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"a\.jpg: not an image"):
        image_fingerprint(tmp_path / "a.jpg")


@pytest.mark.parametrize(("module", "package"), [("PIL", "pillow"), ("imagehash", "ImageHash")])
def test_without_the_extra_the_error_names_it(monkeypatch, module, package):
    image = landscape(0)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"{package}, which is not installed.*masln\[features\]"):
        image_fingerprint(image)


def test_real_photos_and_their_copies(shared_data):
    """Within the radius of 31 nearly all copies, within twice that no other photo: the margin it rests on."""
    photos = list_images(shared_data / "rsicd" / "photos")[::14]
    originals = np.array([image_fingerprint(path)[0] for path in photos])
    halved = [as_jpeg(read_image(path).resize((88, 88)), 50) for path in photos]
    copies = np.array([image_fingerprint(image)[0] for image in halved])
    apart = np.bitwise_count(originals[:, None] ^ copies[None]).sum(axis=2)
    own = np.diag(apart)
    assert np.mean(own <= 31) > 0.97 and (apart + 256 * np.eye(len(apart))).min() > 62
