"""Damage in a JPEG that Pillow decodes without a word is told; sound files of every kind are not touched."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from masln.errors import DataError, MissingExtraError
from masln.features.images import list_images, read_image

pytest.importorskip("simplejpeg")
Image = pytest.importorskip("PIL.Image")


def photo(mode: str = "RGB") -> Image.Image:
    rows, columns = np.mgrid[0:120, 0:160]
    noise = np.random.default_rng(0).normal(0, 20, (120, 160, 3))
    values = np.stack([rows * 2, columns * 1.5, rows + columns], axis=2) * 0.8 + 20 + noise
    return Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert(mode)


def encoded(image: Image.Image | None = None, **options) -> bytes:
    stream = io.BytesIO()
    (image or photo()).save(stream, "JPEG", **{"quality": 85} | options)
    return stream.getvalue()


def pillow(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as opened:
        return np.asarray(opened.convert("RGB"))


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {}),
        ("RGB", {"progressive": True, "optimize": True}),
        ("RGB", {"restart_marker_rows": 1}),
        ("RGB", {"subsampling": 0}),
        ("RGB", {"keep_rgb": True}),
        ("L", {}),
        ("CMYK", {}),
    ],
)
def test_every_kind_of_sound_file_is_read_as_pillow_reads_it(tmp_path, mode, options):
    content = encoded(photo(mode), **options)
    (tmp_path / "a.jpg").write_bytes(content)
    np.testing.assert_array_equal(np.asarray(read_image(tmp_path / "a.jpg")), pillow(content))
    for cut in (3, len(content) // 2):  # so it was looked at, whatever its colours are
        (tmp_path / "a.jpg").write_bytes(content[:-cut] + b"\xff\xd9")
        with pytest.raises(DataError, match=r"a\.jpg: damaged or truncated image"):
            read_image(tmp_path / "a.jpg")


def test_a_jpeg_with_others_behind_it_is_its_first(tmp_path):
    photo().save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[photo("L").convert("RGB")])
    content = (tmp_path / "a.jpg").read_bytes()
    np.testing.assert_array_equal(np.asarray(read_image(tmp_path / "a.jpg")), pillow(content))


def test_what_pillow_passes_over_is_told(tmp_path):
    content = encoded()
    start = content.index(b"\xff\xda") + 100
    spoiled = {
        "zeros": content[:start] + bytes(512) + content[start + 512 :],
        "cut": content[: len(content) // 2] + b"\xff\xd9",
        "hole": content[:start] + content[start + 1000 :],
        "left over": content[:-2] + b"left over" + content[-2:],
    }
    for name, damaged in spoiled.items():
        pillow(damaged)  # not a word
        (tmp_path / f"{name}.jpg").write_bytes(damaged)
        with pytest.raises(
            DataError, match=rf"{name}\.jpg: damaged or truncated image \((Corrupt|Premature)"
        ) as caught:
            read_image(tmp_path / f"{name}.jpg")
        assert "\n" not in str(caught.value)


def test_a_flipped_bit_shows_where_libjpeg_warns(tmp_path):
    """Of 200 single bits of a photo, against libjpeg's warnings on the whole decoded picture."""
    import simplejpeg

    content, rng, told = encoded(), np.random.default_rng(5), 0
    for _ in range(200):
        flipped = bytearray(content)
        flipped[rng.integers(content.index(b"\xff\xda"), len(content))] ^= 1 << rng.integers(8)
        (tmp_path / "a.jpg").write_bytes(flipped)
        try:
            simplejpeg.decode_jpeg(bytes(flipped))
            expected = False
        except ValueError:
            expected = True
        try:
            read_image(tmp_path / "a.jpg")
        except DataError:
            told += 1
            assert expected
        else:
            assert not expected
    assert told > 20


def test_an_odd_head_that_does_the_pixels_no_harm(tmp_path):
    content = bytearray(encoded())
    content[content.index(b"JFIF\0") + 5] = 9  # version 9.1
    (tmp_path / "a.jpg").write_bytes(content)
    np.testing.assert_array_equal(np.asarray(read_image(tmp_path / "a.jpg")), pillow(encoded()))


def test_without_simplejpeg_a_jpeg_says_what_to_install(tmp_path, monkeypatch):
    photo().save(tmp_path / "a.jpg")
    photo().save(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    with pytest.raises(MissingExtraError, match=r"simplejpeg.*masln\[features\]"):
        read_image(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.png").size == (160, 120)


def test_all_real_photos_are_sound(shared_data):
    photos = list_images(shared_data / "rsicd" / "photos")
    assert [read_image(path).size for path in photos] == [(176, 176)] * 1395
