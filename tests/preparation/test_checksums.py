"""Checksums of one's own tell of damage that no decoder can see, in pictures and in the table."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masln.data import read_bundle
from masln.errors import DataError
from masln.features.images import read_image
from masln.preparation import prepare, work_folder
from masln.preparation.checksums import Checksums
from tests.preparation.collection import make_collection, settings_of, write_table


def write_sums(folder: Path, *files: Path) -> Path:
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder)}\n" for file in files]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    return folder / "SHA256SUMS"


@pytest.fixture
def rows(tmp_path):
    return make_collection(tmp_path, suffix=".webp")


@pytest.fixture
def settings(tmp_path, rows):
    table = write_table(tmp_path / "table.csv", rows)
    return settings_of(
        tmp_path, batch_size=1, checksums=write_sums(tmp_path, table, *sorted((tmp_path / "photos").iterdir()))
    )


def flip_unseen(file: Path) -> None:
    """Flip a bit so that another picture comes out, without an error."""
    content = file.read_bytes()
    before = np.asarray(read_image(file))
    for at in range(len(content) - 2, 0, -1):
        file.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        try:
            if (np.asarray(read_image(file)) != before).any():
                return
        except DataError:
            continue
    raise AssertionError("every flip was seen")


def test_sound_files_make_the_same_bundle_and_the_manifest_says_what_they_were_held_against(tmp_path, settings):
    prepare(settings, tmp_path / "with")
    prepare(dataclasses.replace(settings, checksums=None), tmp_path / "without")
    held, plain = read_bundle(tmp_path / "with").manifest, read_bundle(tmp_path / "without").manifest
    digest = hashlib.sha256((tmp_path / "SHA256SUMS").read_bytes()).hexdigest()
    assert held["recipe"]["checksums"] == {"file": "SHA256SUMS", "sha256": digest}
    assert plain["recipe"]["checksums"] is None and held["files"] == plain["files"]


def test_a_picture_that_decodes_to_another_one_fails_or_is_skipped(tmp_path, settings, rows):
    prepare(settings, tmp_path / "sound")
    flip_unseen(tmp_path / "photos" / rows[1]["image"])
    with pytest.raises(DataError, match=r"cat1\.webp: its SHA-256 is not the one in .*SHA256SUMS: damaged") as caught:
        prepare(settings, tmp_path / "b")
    assert "\n" not in str(caught.value) and not work_folder(tmp_path / "b").exists(), "told before the work begins"
    done = prepare(dataclasses.replace(settings, on_error="skip"), tmp_path / "b")
    bundle, sound = read_bundle(tmp_path / "b"), read_bundle(tmp_path / "sound")
    (line,) = bundle.manifest["recipe"]["skipped"]
    assert line.startswith(f"{tmp_path}/table.csv:3: ") and "its SHA-256" in line and done.skipped == (line,)
    others = sound.ids != rows[1]["image"]
    np.testing.assert_array_equal(bundle.image, sound.image[others])
    assert (bundle.split == sound.split[others]).all(), "a skipped picture moves no other pair"
    prepare(dataclasses.replace(settings, checksums=None), tmp_path / "silent")
    assert (read_bundle(tmp_path / "silent").image[1] != sound.image[1]).any(), "without checksums nobody sees it"


def test_a_changed_letter_in_the_table_always_fails(tmp_path, settings):
    table = tmp_path / "table.csv"
    table.write_text(table.read_text().replace("a small cat", "a smell cat", 1))
    for on_error in ("fail", "skip"):
        with pytest.raises(DataError, match=r"table\.csv: its SHA-256 is not the one in"):
            prepare(dataclasses.replace(settings, on_error=on_error), tmp_path / "b")


def test_a_picture_that_is_not_listed(tmp_path, settings, rows):
    sums = tmp_path / "SHA256SUMS"
    sums.write_text("".join(line for line in sums.open() if not line.endswith(("cat1.webp\n", "dog0.webp\n"))))
    with pytest.raises(DataError, match=r"cat1\.webp: not in .*SHA256SUMS; add it .* \(1 further pictures are wrong"):
        prepare(settings, tmp_path / "b")
    assert len(prepare(dataclasses.replace(settings, on_error="skip"), tmp_path / "b").skipped) == 2


def test_when_no_picture_is_left_it_fails_either_way(tmp_path, settings):
    write_sums(tmp_path, tmp_path / "table.csv")
    with pytest.raises(DataError, match=r"not in .*15 further pictures"):
        prepare(dataclasses.replace(settings, on_error="skip"), tmp_path / "b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0" * 63 + "  a\n", r"SHA256SUMS:1: '0+' is no line of sha256sum"),
        ("0" * 64 + "  a\nwords\n", r"SHA256SUMS:2: 'words' is no line"),
        ("0" * 64 + "  a\n" + "1" * 64 + "  ./a\n", r"SHA256SUMS: another sum of \./a than of the same file before"),
        (b"\xff\xfe0\x000\x00", r"SHA256SUMS: cannot be read .*0xff"),
        (None, r"SHA256SUMS: cannot be read"),
    ],
)
def test_a_file_of_sums_that_is_none(tmp_path, content, message):
    if content is not None:
        (tmp_path / "SHA256SUMS").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message):
        Checksums(tmp_path / "SHA256SUMS")


def test_paths_count_from_the_folder_of_the_sums_as_for_sha256sum(tmp_path, monkeypatch):
    if shutil.which("sha256sum") is None:
        pytest.skip("no sha256sum here")
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(stream, "PNG")
    (tmp_path / "set" / "photos" / "a b").mkdir(parents=True)
    for name in ("photos/1.png", "photos/a b/2.png", "table.csv"):
        (tmp_path / "set" / name).write_bytes(stream.getvalue())
    for options in ([], ["--binary"]):
        command = ["sha256sum", *options, "./photos/1.png", "photos/a b/2.png", str(tmp_path / "set" / "table.csv")]
        written = subprocess.run(command, cwd=tmp_path / "set", capture_output=True, text=True, check=True).stdout
        (tmp_path / "set" / "SHA256SUMS").write_text(written)
        monkeypatch.chdir(tmp_path)
        sums = Checksums("set/SHA256SUMS")
        assert sums.problem(Path("set/table.csv")) == sums.problem(tmp_path / "set" / "photos" / "1.png") == ""
        assert sums.problems(Path("set/photos"), ["1.png", "a b/2.png"]) == {}
        assert "not in" in sums.problem(tmp_path / "photos" / "1.png")
    (tmp_path / "set" / "table.csv").unlink()
    assert "cannot be read" in sums.problem(Path("set/table.csv"))
