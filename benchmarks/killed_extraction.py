"""`masln prepare` killed at random moments and given again, against the straight run; and twice, and with two workers.

    python -m benchmarks.killed_extraction [--data-root DIR] [--out benchmarks/results/killed_extraction.json]

The command runs in a process of its own on RSICD photos under DIR (or drawn pictures) with the real network, and is
ended by SIGKILL; then the same command is given again, until it is done. Moments are drawn by a seed: at any time of a
straight run, at any time once the work has begun, as soon as so many batches are in the journal, and as soon as the
bundle is being written. Every fifth trial replaces an older bundle, of which, or of the newer, a whole one must be
there after each kill, under its name or set aside. SHA-256 of every file is compared, the manifest's included.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import csv
import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.damaged_collection import drawn_picture
from masln.data import read_bundle
from masln.data.bundle_folder import set_aside
from masln.preparation import work_folder
from masln.progress import progress_bar
from masln.saving import write_atomically

CLASSES, BATCH, MOST_KILLS, LIMIT = 4, 4, 2, 600
AT_ITS_END = "at its end"
MOMENTS = ("any time", "once the work has begun", "at a batch", "while the bundle is written")


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def make_collection(folder: Path, data_root: Path | None, photos: int) -> int:
    """Photos and their table in a folder, under paths that say nothing of the machine; how many pairs."""
    rows: list[dict[str, str]] = []
    each = photos // CLASSES
    if data_root is None:
        (folder / "photos").mkdir()
        for number in range(each * CLASSES):
            name = f"{number}.jpg"
            (folder / "photos" / name).write_bytes(drawn_picture(number % CLASSES, number))
            rows.append({"image": name, "class": ("airport", "beach", "forest", "river")[number % CLASSES]})
            rows[-1] |= {"caption_1": f"there are {number} things on a {rows[-1]['class']}", "caption_2": "it is large"}
    else:
        (folder / "photos").symlink_to(data_root / "rsicd" / "photos")
        with (data_root / "rsicd" / "photos.csv").open(encoding="utf-8", newline="") as stream:
            listed = list(csv.DictReader(stream))
        for name in sorted({row["class"] for row in listed})[:CLASSES]:
            rows += [row for row in listed if row["class"] == name][:each]
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


class Runs:
    """The command in a folder, and what a kill left there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, out: str, *options: str) -> subprocess.Popen[str]:
        """Begin a run."""
        command = [sys.executable, "-m", "masln", "prepare", "--images", "photos", "--table", "table.csv"]
        command += ["--text-extractor", "tfidf", "--split-column", "", "--batch-size", str(BATCH), "--workers", "1"]
        command += ["--name", "photos", "--class-vectors", "none", "--quiet", "--out", out, *options]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])}
        pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=environment, **pipes)

    def whole(self, out: str, *options: str) -> float:
        """Run to the end; its seconds."""
        started = time.monotonic()
        process = self.start(out, *options)
        errors = process.communicate(timeout=LIMIT)[1]
        assert process.returncode == 0, errors
        return time.monotonic() - started

    def work(self, out: str) -> Path:
        """The hidden folder of a run."""
        return work_folder(self.folder / out)

    def batches(self, out: str) -> int:
        """Batches of pictures in the journal."""
        found = list(self.work(out).glob("image-*/image.journal"))
        return found[0].read_bytes().count(b'"kept"') if found else 0

    def stage(self, out: str, expected: dict[str, str]) -> str:
        """How far a killed run came, by what it left."""
        work = self.work(out)
        if not work.exists():
            return AT_ITS_END if hashes(self.folder / out) == expected else "before any work"
        if (work / "bundle").exists():
            return "writing the bundle"
        if work.with_suffix(".prepared").exists():
            return "tidying up"
        journals = {
            name: b"".join(f.read_bytes() for f in work.glob(f"{name}-*/*.journal")) for name in ("image", "text")
        }
        for name, what in (("image", "pictures"), ("text", "texts")):
            if b'"finished"' not in journals[name]:
                return f"extracting {what}" if b'"kept"' in journals[name] else f"about to extract {what}"
        return "arranging rows"

    def kill(
        self, process: subprocess.Popen[str], moment: str, rng: np.random.Generator, out: str, seconds: float
    ) -> bool:
        """Wait for the moment and kill; whether the run was still there."""
        started = time.monotonic()
        conditions: list[Callable[[], bool]] = []
        if moment == "any time":
            end = started + rng.uniform(0, seconds)
            conditions.append(lambda: time.monotonic() >= end)
        elif moment == "once the work has begun":
            pause = rng.uniform(0, seconds / 2)
            conditions.append(lambda: self.work(out).exists())
            conditions.append(lambda: time.monotonic() >= begun + pause)
        elif moment == "at a batch":
            wanted = self.batches(out) + int(rng.integers(1, 12))
            conditions.append(lambda: self.batches(out) >= wanted)
        else:
            pause = rng.uniform(0, 0.005)
            conditions.append((self.work(out) / "bundle").exists)
            conditions.append(lambda: time.monotonic() >= begun + pause)
        begun = started
        for condition in conditions:
            while not condition():
                if process.poll() is not None:
                    return False
                assert time.monotonic() - started < LIMIT, "the run hangs"
                time.sleep(0.001)
            begun = time.monotonic()
        process.kill()
        process.communicate()
        return process.returncode == -signal.SIGKILL


@click.command()
@click.option(
    "--data-root", type=click.Path(path_type=Path, exists=True), help="Holds rsicd/; else pictures are drawn."
)
@click.option("--photos", default=96, show_default=True)
@click.option("--trials", default=20, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/killed_extraction.json"))
def main(data_root: Path | None, photos: int, trials: int, seed: int, out: Path) -> None:
    """Run straight, twice and with two workers; then kill and go on; compare the bytes."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pairs = make_collection(folder, data_root.resolve() if data_root else None, photos)
        runs = Runs(folder)
        seconds = runs.whole("straight")
        expected = hashes(folder / "straight")
        runs.whole("twice")
        runs.whole("workers", "--workers", "2")
        same = {"made twice": "twice", "with two workers": "workers"}
        equal = {what: hashes(folder / name) == expected for what, name in same.items()}
        runs.whole("older", "--captions", "first")
        older = hashes(folder / "older")
        hit: Counter[str] = Counter()
        listed = []
        with progress_bar("trials", trials, show=True) as advance:
            for trial in range(trials):
                name, replacing = f"trial{trial}", trial % 5 == 4
                if replacing:
                    runs.whole(name, "--captions", "first")
                options = ["--overwrite"] if replacing else []
                stages: list[str] = []
                whole, done = True, False
                while len(stages) < MOST_KILLS and not done:
                    process = runs.start(name, *options)
                    moment = MOMENTS[(trial + len(stages)) % len(MOMENTS)]
                    if not runs.kill(process, moment, rng, name, seconds):
                        done = True
                        assert process.returncode == 0, process.communicate()
                        break
                    stages.append(runs.stage(name, expected))
                    done = stages[-1] == AT_ITS_END
                    place = folder / name
                    place = set_aside(place) if replacing and not place.exists() else place
                    if place.exists():
                        read_bundle(place, verify=True)
                    whole = whole and (hashes(place) in (expected, older) if place.exists() else not replacing)
                if not done:
                    runs.whole(name, *options)
                hit.update(stages)
                left = sorted(path.name for path in folder.iterdir() if path.name.startswith(f".{name}"))
                listed.append({"killed": stages, "same bytes": hashes(folder / name) == expected})
                listed[-1] |= {"replaced": replacing, "a whole bundle throughout": whole, "left over": left}
                advance()
    result = {
        "pictures": "rsicd" if data_root else "drawn",
        "pairs": pairs,
        "files compared": len(expected),
        "seed": seed,
        "same bytes": equal,
        "trials": len(listed),
        "trials with the same bytes": sum(trial["same bytes"] for trial in listed),
        "trials with something left over": sum(bool(trial["left over"]) for trial in listed),
        "trials with half a bundle": sum(not trial["a whole bundle throughout"] for trial in listed),
        "kills": sum(hit.values()),
        "killed while": dict(sorted(hit.items())),
        "each trial": listed,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
    click.echo(json.dumps({key: value for key, value in result.items() if key != "each trial"}, indent=1))


if __name__ == "__main__":
    main()
