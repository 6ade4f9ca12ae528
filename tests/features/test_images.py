"""Images of every kind come in right, and broken ones are named."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from masln.errors import DataError
from masln.features.images import MAX_PIXELS, list_images, read_image

pytest.importorskip("PIL")
from PIL import Image, ImageOps


def gradient(height: int = 24, width: int = 36) -> np.ndarray:
    """RGB that differs in every corner, so that a turn cannot hide."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 255 / height, columns * 255 / width, (rows + columns) * 2], axis=2).astype(np.uint8)


def pixels(item) -> np.ndarray:
    image = read_image(item)
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.fixture
def photo() -> Image.Image:
    return Image.fromarray(gradient())


class TestKinds:
    @pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm"])
    def test_lossless_files_give_their_pixels(self, tmp_path, photo, suffix):
        photo.save(tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(pixels(tmp_path / f"a.{suffix}"), gradient())

    def test_lossless_webp_gives_its_pixels(self, tmp_path, photo):
        photo.save(tmp_path / "a.webp", lossless=True)
        np.testing.assert_array_equal(pixels(str(tmp_path / "a.webp")), gradient())

    def test_the_bytes_of_a_file_are_as_good_as_the_file(self, tmp_path, photo):
        for name in ("a.png", "a.jpg", "a.gif"):
            photo.save(tmp_path / name)
            np.testing.assert_array_equal(pixels((tmp_path / name).read_bytes()), pixels(tmp_path / name))

    @pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
    def test_jpeg_is_near_its_pixels(self, tmp_path, photo, options):
        photo.save(tmp_path / "a.jpg", quality=95, **options)
        assert np.abs(pixels(tmp_path / "a.jpg").astype(int) - gradient()).mean() < 3

    def test_grey(self, tmp_path, photo):
        grey = photo.convert("L")
        grey.save(tmp_path / "a.png")
        np.testing.assert_array_equal(pixels(tmp_path / "a.png"), np.repeat(np.asarray(grey)[..., None], 3, axis=2))

    def test_black_and_white(self, tmp_path):
        bits = gradient()[..., 0] > 100
        Image.fromarray(bits).save(tmp_path / "a.png")
        np.testing.assert_array_equal(pixels(tmp_path / "a.png")[..., 1], bits * 255)

    def test_cmyk_jpeg(self, tmp_path):
        Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
        red = pixels(tmp_path / "a.jpg").reshape(-1, 3).mean(axis=0)
        assert red[0] > 200 and red[1] < 60 and red[2] < 60

    @pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
    def test_sixteen_bits_are_scaled_not_clipped(self, tmp_path, suffix):
        deep = (np.arange(64, dtype=np.uint16) * 1040).reshape(8, 8)
        Image.fromarray(deep).save(tmp_path / f"a.{suffix}")
        expected = np.round(deep / 65535 * 255)
        np.testing.assert_array_equal(pixels(tmp_path / f"a.{suffix}")[..., 0], expected)

    def test_sixteen_bit_colour(self, tmp_path):
        deep = (gradient().astype(np.uint16) * 257)[:, :, ::1]
        write_png(tmp_path / "a.png", deep)
        np.testing.assert_array_equal(pixels(tmp_path / "a.png"), gradient())

    def test_pixels_that_have_no_known_range_are_refused(self, tmp_path):
        for name, values in (("f", np.float32([[0.5, 2]])), ("i", np.int32([[-1, 70000]]))):
            Image.fromarray(values).save(tmp_path / f"{name}.tif")
            with pytest.raises(DataError, match=f"{name}.tif.*8 or 16 bits"):
                read_image(tmp_path / f"{name}.tif")

    def test_transparency_lies_on_white(self, tmp_path):
        values = np.dstack([gradient(), np.full((24, 36), 255, dtype=np.uint8)])
        values[:10, :, 3] = 0
        values[10:12, :, 3] = 128
        Image.fromarray(values).save(tmp_path / "a.png")
        seen = pixels(tmp_path / "a.png").astype(int)
        assert (seen[:10] == 255).all()
        np.testing.assert_array_equal(seen[12:], gradient()[12:])
        half = gradient()[10:12] * (128 / 255) + 255 * (127 / 255)
        np.testing.assert_allclose(seen[10:12], half, atol=1)

    def test_palette_with_a_transparent_colour(self, tmp_path):
        image = Image.new("P", (4, 2))
        image.putpalette([0, 0, 0, 200, 10, 20])
        image.putdata([0, 0, 1, 1] * 2)
        for suffix in ("png", "gif"):
            image.save(tmp_path / f"a.{suffix}", transparency=0)
            expected = [[[255] * 3, [255] * 3, [200, 10, 20], [200, 10, 20]]] * 2
            np.testing.assert_array_equal(pixels(tmp_path / f"a.{suffix}"), expected)

    def test_grey_with_alpha(self, tmp_path):
        Image.merge("LA", [Image.new("L", (2, 2), 40), Image.new("L", (2, 2), 0)]).save(tmp_path / "a.png")
        assert (pixels(tmp_path / "a.png") == 255).all()

    @pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
    def test_the_first_frame_of_an_animation(self, tmp_path, suffix):
        frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "lime", "blue")]
        options = {"lossless": True} if suffix == "webp" else {}
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **options)
        assert (pixels(tmp_path / f"a.{suffix}") == [255, 0, 0]).all()

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
    def test_exif_rotation(self, tmp_path, photo, orientation, suffix):
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"lossless": True} if suffix == "webp" else {}
        photo.save(tmp_path / f"a.{suffix}", exif=exif.tobytes(), **options)
        with Image.open(tmp_path / f"a.{suffix}") as opened:
            expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
        assert expected.shape == ((36, 24, 3) if orientation > 4 else (24, 36, 3))
        np.testing.assert_array_equal(pixels(tmp_path / f"a.{suffix}"), expected)
        with Image.open(tmp_path / f"a.{suffix}") as opened:
            np.testing.assert_array_equal(pixels(opened), expected)

    def test_arrays_and_pil_images(self, photo):
        np.testing.assert_array_equal(pixels(gradient()), gradient())
        np.testing.assert_array_equal(pixels(photo), gradient())
        np.testing.assert_array_equal(pixels(gradient()[..., 0])[..., 2], gradient()[..., 0])
        clear = np.dstack([gradient(), np.zeros((24, 36), dtype=np.uint8)])
        assert (pixels(clear) == 255).all()

    @pytest.mark.parametrize(
        "item",
        [np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8), np.zeros(4, np.uint8), 7, None],
    )
    def test_other_items_are_refused(self, item):
        with pytest.raises(DataError, match="must be"):
            read_image(item)


class TestDamage:
    def test_each_kind_of_damage_is_told_by_name(self, tmp_path, photo):
        stream = io.BytesIO()
        photo.save(stream, "JPEG")
        jpeg = stream.getvalue()
        cases = {
            "cut.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
            "head.jpg": (jpeg[:20], "truncated|head is damaged"),
            "none.jpg": (b"", "is empty"),
            "text.jpg": (b"these are words, not pixels\n" * 9, "not an image"),
            "noise.png": (np.random.default_rng(0).bytes(500), "not an image"),
            "page.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        }
        for name, (content, reason) in cases.items():
            (tmp_path / name).write_bytes(content)
            with pytest.raises(DataError, match=f"{name}: .*({reason})") as raised:
                read_image(tmp_path / name)
            assert "\n" not in str(raised.value)
            reason = "head is damaged" if name == "none.jpg" else reason
            with pytest.raises(DataError, match=f"^the picture: .*({reason})"):
                read_image(content)
        for path in (tmp_path / "missing.jpg", tmp_path):
            with pytest.raises(DataError, match="no such image file"):
                read_image(path)

    def test_a_file_that_the_system_does_not_give(self, tmp_path, monkeypatch, photo):
        photo.save(tmp_path / "a.png")
        with pytest.raises(DataError, match=r"cannot be read .*File name too long"):
            read_image(tmp_path / ("a" * 300 + ".jpg"))

        def denied(*_args, **_options):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Image, "open", denied)
        with pytest.raises(DataError, match=r"a\.png: cannot be read \(Permission denied\)"):
            read_image(tmp_path / "a.png")

    def test_a_flipped_bit_in_the_pixels_of_a_png_is_told(self, tmp_path):
        """Any bit of them: decoding alone passes over some of those near the end."""
        stream = io.BytesIO()
        noise = np.random.default_rng(1).normal(0, 20, (24, 36, 3))
        Image.fromarray((gradient() / 2 + 64 + noise).clip(0, 255).astype(np.uint8)).save(stream, "PNG")
        content = bytearray(stream.getvalue())
        for at in range(content.index(b"IDAT"), len(content) - 12):
            flipped = content.copy()
            flipped[at] ^= 1 << (at % 8)
            (tmp_path / "a.png").write_bytes(flipped)
            with pytest.raises(DataError, match=r"a\.png: "):
                read_image(tmp_path / "a.png")

    @pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on EXIF
    def test_damaged_files_end_in_one_clear_error_or_a_picture(self, tmp_path, photo):
        """Any flip, cut or splice: never another exception, whatever the decoder."""
        rng = np.random.default_rng(3)
        kinds = [("jpg", {}), ("png", {}), ("webp", {}), ("gif", {}), ("tif", {"compression": "tiff_lzw"}), ("bmp", {})]
        ends = {"error": 0, "picture": 0}
        for suffix, options in kinds:
            stream = io.BytesIO()
            exif = Image.Exif()
            exif[0x0112] = 6
            exif[0x010F] = "maker"
            photo.save(stream, Image.registered_extensions()[f".{suffix}"], exif=exif.tobytes(), **options)
            whole = stream.getvalue()
            for number in range(60):
                content = bytearray(whole)
                if number % 3 == 0:
                    content = content[: rng.integers(0, len(content))]
                elif number % 3 == 1:
                    for at in rng.integers(0, len(content), rng.integers(1, 9)):
                        content[at] ^= 1 << rng.integers(8)
                else:
                    at = rng.integers(0, len(content))
                    content[at : at + 8] = rng.bytes(8)
                path = tmp_path / f"{number}.{suffix}"
                path.write_bytes(content)
                try:
                    assert read_image(path).mode == "RGB"
                    ends["picture"] += 1
                except DataError as error:
                    assert str(path) in str(error) and "\n" not in str(error)
                    ends["error"] += 1
        assert ends["error"] > 150, ends

    def test_a_lazily_opened_image_that_is_damaged(self, tmp_path, photo):
        photo.resize((300, 200)).save(tmp_path / "a.jpg")
        content = (tmp_path / "a.jpg").read_bytes()
        (tmp_path / "a.jpg").write_bytes(content[: len(content) - 200])
        with Image.open(tmp_path / "a.jpg") as opened, pytest.raises(DataError, match=r"a\.jpg: damaged"):
            read_image(opened)


class TestSize:
    @pytest.mark.parametrize("side", [9_000, 60_000])
    def test_a_pixel_bomb_is_refused_before_it_is_decoded(self, tmp_path, side, recwarn):
        """Its pixels are missing, so decoding would say something else."""
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        chunk = b"IHDR" + header
        content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
        (tmp_path / "bomb.png").write_bytes(content + struct.pack(">I", 8) + b"IDAT" + b"\0" * 8)
        with pytest.raises(DataError, match=rf"bomb\.png: .*larger than {MAX_PIXELS:,} pixels"):
            read_image(tmp_path / "bomb.png")

    def test_the_limit_is_what_one_says(self, photo):
        assert read_image(photo, max_pixels=24 * 36).size == (36, 24)
        with pytest.raises(DataError, match="36 x 24, larger than 863 pixels"):
            read_image(photo, max_pixels=863)

    def test_a_long_thin_picture_is_refused(self):
        """Scaled by its shorter side to 224 px it would be 224 x 89,600."""
        with pytest.raises(DataError, match="one side over 200 times the other"):
            read_image(np.zeros((1, 400), dtype=np.uint8))
        assert read_image(np.zeros((1, 200), dtype=np.uint8)).size == (200, 1)


class TestFolders:
    def test_images_of_a_folder_in_order(self, tmp_path):
        for name in ("b/2.JPG", "b/1.png", "a.webp", "notes.txt", ".hidden/3.jpg", "b/.thumb.jpg", "z.jpeg"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        found = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
        assert found == ["a.webp", "b/1.png", "b/2.JPG", "z.jpeg"]

    def test_no_folder_and_no_image(self, tmp_path):
        with pytest.raises(DataError, match="no such folder"):
            list_images(tmp_path / "missing")
        with pytest.raises(DataError, match="no image in it"):
            list_images(tmp_path)

    def test_real_photos(self, shared_data):
        photos = list_images(shared_data / "rsicd" / "photos")
        assert len(photos) == 1395
        for path in photos[::200]:
            with Image.open(path) as opened:
                np.testing.assert_array_equal(pixels(path), np.asarray(opened.convert("RGB")))


def write_png(path: Path, deep: np.ndarray) -> None:
    """RGB of 16 bits, which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = deep.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
