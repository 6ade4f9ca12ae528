"""The record of what files hashed to."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import pytest

from masln.data.checksums import read_checksums, record_checksum
from masln.errors import DataError

A, B = (hashlib.sha256(content).hexdigest() for content in (b"a", b"b"))


def test_what_is_recorded_is_read_back(tmp_path):
    assert read_checksums(tmp_path) == {} == read_checksums(tmp_path / "absent")
    record_checksum(tmp_path, "two words.zip", B)
    record_checksum(tmp_path, "a.zip", B)
    record_checksum(tmp_path, "a.zip", A)
    assert read_checksums(tmp_path) == {"a.zip": A, "two words.zip": B}
    assert [path.name for path in tmp_path.iterdir()] == ["SHA256SUMS"]


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum")
def test_the_system_checks_it_too(tmp_path):
    for name, content, digest in (("a", b"a", A), ("b", b"b", B)):
        (tmp_path / name).write_bytes(content)
        record_checksum(tmp_path, name, digest)
    check = ["sha256sum", "--strict", "-c", "SHA256SUMS"]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / "b").write_bytes(b"c")
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 1


def test_upper_case_and_a_byte_order_mark_are_read(tmp_path):
    (tmp_path / "SHA256SUMS").write_bytes(b"\xef\xbb\xbf" + f"{A.upper()} *a\n".encode())
    assert read_checksums(tmp_path) == {"a": A}


def test_two_sums_of_one_file_are_refused(tmp_path):
    (tmp_path / "SHA256SUMS").write_text(f"{A}  a\n{A}  a\n{B}  a\n")
    with pytest.raises(DataError, match="SHA256SUMS:3: another sum of a"):
        read_checksums(tmp_path)


@pytest.mark.parametrize("line", ["a.zip", f"{A[:-1]}  a.zip", f"{A}a.zip"])
def test_a_line_of_another_form_is_refused(tmp_path, line):
    (tmp_path / "SHA256SUMS").write_text(f"{A}  a\n\n{line}\n")
    with pytest.raises(DataError, match=r"SHA256SUMS:3: .*no line of sha256sum"):
        read_checksums(tmp_path)
    with pytest.raises(DataError, match="SHA256SUMS:3"):
        record_checksum(tmp_path, "b", B)
