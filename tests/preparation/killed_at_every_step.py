"""A program: `prepare` is killed before every step it takes on the disk, and given again; run by test_finishing.py.

    python -m tests.preparation.killed_at_every_step FOLDER

Python announces each open for writing, rename, removal and so on before it is done. A first run counts them; then for
each a process of its own gets that far and no further.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from masln.data import read_bundle
from masln.data.bundle_folder import set_aside
from masln.features import extractor_resolver
from masln.preparation import prepare, work_folder
from tests.preparation.collection import hashes, make_collection, settings_of
from tests.preparation.digests import PixelDigest, TextDigest

STEPS = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "shutil.rmtree", "shutil.move")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def in_child(work: Callable[[], Any], *, kill_at: int = 0) -> tuple[int, int]:
    """Run in a process of its own, killed before step ``kill_at`` if any; its wait status and the steps it took."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        taken = 0

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal taken
            if event in STEPS or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES):
                taken += 1
                if taken == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        os.fsync = lambda _: None  # it guards against a crash of the machine; what is killed has written all the same
        try:
            sys.addaudithook(watch)
            work()
            os.write(writing, str(taken).encode())
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        told = stream.read()
    return os.waitpid(pid, 0)[1], int(told or 0)


def main(folder: Path) -> None:
    extractor_resolver.register(PixelDigest)
    extractor_resolver.register(TextDigest)
    rows = make_collection(folder, per_class=2)
    digests = {"image_extractor": "pixel-digest", "text_extractor": "text-digest", "class_vectors": "none"}
    settings = settings_of(folder, rows, batch_size=3, **digests)
    older = settings_of(folder, text_columns=("caption_1",), **digests)
    straight = prepare(settings, folder / "straight")
    expected = hashes(folder / "straight")
    before = {path.name for path in folder.iterdir()}
    for overwrite in (False, True):
        number = 0
        while True:
            number += 1
            out = folder / f"b{number}-{overwrite}"
            before.add(out.name)
            if overwrite:
                prepare(older, out)
            replaced = hashes(out) if overwrite else {}

            def command(out: Path = out, overwrite: bool = overwrite) -> None:
                done = prepare(settings, out, overwrite=overwrite)
                assert (done.counts, done.guesses, done.notes) == (straight.counts, straight.guesses, straight.notes)

            status, taken = in_child(command, kill_at=number)
            if os.WIFEXITED(status):
                assert status == 0 and taken == number - 1 > 30, (overwrite, number, status, taken)
                break
            assert os.WTERMSIG(status) == signal.SIGKILL, (overwrite, number, status)
            place = out if out.exists() or not overwrite else set_aside(out)
            if place.exists():
                read_bundle(place, verify=True)
                assert hashes(place) in (expected, replaced), f"{place}: half a bundle after step {number}"
            else:
                assert not overwrite, f"the older bundle is lost at step {number}"
            if overwrite and number % 3 == 0:  # who thinks better of it has the older bundle, or the newer
                try:
                    prepare(settings, out)
                except Exception as error:
                    assert "exists; choose another folder" in str(error), error
                assert hashes(out) in (expected, replaced)
            status, _ = in_child(command)
            assert status == 0, f"not resumed after step {number} (overwrite {overwrite})"
            assert hashes(out) == expected, f"other bytes after step {number}"
            assert not work_folder(out).exists() and not set_aside(out).exists(), f"rubbish after step {number}"
            assert {path.name for path in folder.iterdir()} == before
        print("replacing" if overwrite else "new", number - 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
