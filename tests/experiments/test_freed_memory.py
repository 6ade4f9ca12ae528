"""Memory that is freed stays with the process, where that is asked for and the environment says nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("resource", reason="page faults are counted on POSIX systems alone")

CODE = """
import resource, sys
from masln.experiments import keep_freed_memory

kept = sys.argv[1] == "keep" and keep_freed_memory()
b"x" * 2**26
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    b"x" * 2**26
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
OWN = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")


def page_faults(asked: str, **environment: str) -> tuple[bool, int]:
    """Whether freed memory was kept, and the page faults of allocating 64 MiB twenty times over."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    done = subprocess.run(
        [sys.executable, "-c", CODE, asked], env=plain | environment, capture_output=True, text=True, check=True
    )
    kept, faults = done.stdout.split()
    return kept == "1", int(faults)


def test_what_is_freed_is_taken_again_without_a_page_fault():
    kept, faults = page_faults("keep")
    if not kept:
        pytest.skip("this C library is not glibc")
    without_asking, many = page_faults("leave")
    assert not without_asking
    assert faults < many / 10


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"])
def test_what_the_user_set_stands(name):
    kept, _ = page_faults("keep", **{name: "100000"})
    assert not kept
