"""A hundred damaged inputs, of drawn pictures: none ends in a traceback, a hang or a silent wrong row."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytest.importorskip("simplejpeg")


def test_every_damaged_input_ends_in_an_error_or_a_recorded_skip(tmp_path):
    command = [sys.executable, "-m", "benchmarks.damaged_inputs", "--inputs", "100", "--commands", "1", "--seed", "7"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    options = {"cwd": ROOT, "env": environment, "capture_output": True, "text": True}
    done = subprocess.run([*command, "--out", str(tmp_path / "r.json")], **options)
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["failures"] == [] and result["command_line"] == {"runs": 1, "wrong": []}
    counts = result["outcomes"]
    for way in ("with checksums, fail", "with checksums, skip", "texts, fail", "texts, skip"):
        assert counts[way].keys() <= {"error", "skip", "harmless", "silent", "unclear", "traceback", "hang"}, way
    assert counts["with checksums, fail"]["error"] == 91 and counts["with checksums, skip"]["skip"] == 55
    assert counts["without checksums, fail"]["undetectable"] > 0, "the comparison sees what nobody is told of"
    told = result["share_of_damaged_jpeg_that_is_told"]["512 bytes zeroed"]
    assert told["read_image"] > told["Pillow"] + 0.3
