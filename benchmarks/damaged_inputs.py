"""1,000 damaged files, and what becomes of each: an error, a recorded skip, no harm, or a wrong row without a word.

    python -m benchmarks.damaged_inputs [--data-root DIR] [--inputs 1000] [--out benchmarks/results/damaged_inputs.json]

A collection of a few pairs (RSICD's photos and captions under DIR, or drawn ones) is made in every form that can be
damaged; each input is one of its files broken by a seeded draw (`benchmarks/damage.py`). Pictures and tables go through
`prepare`, with `on_error` fail and skip, without checksums and with them; articles and plain texts through
`read_texts`. Features are hashes of pixels and of letters, so that any change of a row shows. The runs of an input have
so many seconds, in a process that is killed behind them. A sample goes through the command line in a process of its
own, with the real network.

An outcome is `error` (one line that names the file), `skip` (the pair is left out, the others are as they were, the
manifest says so), `harmless` (every row as it was), `undetectable` (another row without a word, of a file that is whole
and valid by the rules of its kind, as `benchmarks/validity.py` judges it), or a failure: `silent` (the same of a file
that is not valid), `unclear` (an error of several lines or without the file's name), `traceback`, `hang`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import json
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from benchmarks.damage import ARTICLES, PICTURES, PLAIN_TEXTS, TABLES, flip_bits, zero_bytes
from benchmarks.damaged_collection import FORMS, Case, Collection, sound_photos
from masln.data import read_bundle
from masln.errors import DataError
from masln.features.images import read_image
from masln.progress import progress_bar
from masln.saving import write_atomically

SHARES = {"picture": 0.55, "table": 0.36, "article": 0.055, "plain text": 0.035}
FAILURES = ("silent", "unclear", "traceback", "hang")
OUTCOMES = ("error", "skip", "harmless", "undetectable", *FAILURES)


def cases(inputs: int) -> Iterator[Case]:
    """All kinds of damage in turn, each family by its share."""
    kinds = {
        "picture": [(form, damage) for damage in PICTURES for form in FORMS],
        "table": [(form, damage) for form, damages in TABLES.items() for damage in damages],
        "article": [("xml", damage) for damage in ARTICLES],
        "plain text": [("txt", damage) for damage in PLAIN_TEXTS],
    }
    ends = np.round(np.cumsum(list(SHARES.values())) * inputs).astype(int).tolist()
    for family, start, end in zip(kinds, [0, *ends], ends, strict=False):
        for number in range(start, end):
            form, damage = kinds[family][(number - start) % len(kinds[family])]
            yield Case(family, form, damage, number)


def work(channel: Connection, folder: str, data_root: Path | None, seed: int) -> None:
    """Take cases and answer with their outcomes, until there is none."""
    warnings.simplefilter("ignore")  # Pillow's, on EXIF
    os.fsync = lambda _: None  # nothing is killed here
    collection = Collection(Path(tempfile.mkdtemp(dir=folder)), data_root)
    channel.send("ready")
    while (case := channel.recv()) is not None:
        channel.send(collection.outcomes(Case(*case), seed))


class Worker:
    """A process that runs cases, and is killed and begun anew where one takes too long or ends it."""

    def __init__(self, folder: str, data_root: Path | None, seed: int) -> None:
        self.arguments = (folder, data_root, seed)
        self.begin()

    def begin(self) -> None:
        """Start the process, and wait until it has its collection."""
        spawning = multiprocessing.get_context("spawn")
        self.channel, other = spawning.Pipe()
        self.process = spawning.Process(target=work, args=(other, *self.arguments), daemon=True)
        self.process.start()
        other.close()
        assert self.channel.recv() == "ready"

    def run(self, case: Case, limit: float) -> dict[str, tuple[str, str]]:
        """The outcome of each way of running a case."""
        self.channel.send(tuple(case))
        try:
            if self.channel.poll(limit):
                answer: dict[str, tuple[str, str]] = self.channel.recv()
                return answer
            failure = {"run": ("hang", f"not done in {limit} s")}
        except EOFError:
            failure = {"run": ("traceback", "the process ended")}
        self.process.kill()
        self.begin()
        return failure


def command_line(folder: Path, data_root: Path | None, sample: Sequence[Case], seed: int, limit: float) -> list[str]:
    """What is wrong with runs of `masln prepare` on damaged inputs, with the real network; a line each."""
    collection = Collection(folder, data_root)
    shutil.rmtree(folder / "bundle")
    wrong = []
    with progress_bar("command line", len(sample), show=True) as advance:
        for number, case in enumerate(sample):
            file, content, named, damaged = collection.broken(case, seed)
            file.unlink()
            named.write_bytes(damaged)
            before = {path.name for path in folder.iterdir()}
            form = case.form if case.family == "table" else "csv"
            command = [sys.executable, "-m", "masln", "prepare", "--images", "photos", "--table", f"table.{form}"]
            command += ["--text-extractor", "word2vec", "--class-vectors", "none", "--out", "bundle", "--quiet"]
            command += ["--on-error", "skip"] if number % 2 else []
            environment = os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])}
            options: dict[str, Any] = {"cwd": folder, "env": environment, "capture_output": True, "text": True}
            try:
                done = subprocess.run(command, timeout=limit, **options)
            except subprocess.TimeoutExpired:
                wrong.append(f"{case}: hang")
                continue
            finally:
                named.unlink()
                file.write_bytes(content)
            new = {path.name for path in folder.iterdir()} - before
            if done.returncode == 0:
                good = done.stderr == "" and new == {"bundle"} and len(read_bundle(folder / "bundle", verify=True)) > 0
            else:
                one_line = done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
                good = done.returncode == 2 and one_line and named.stem in done.stderr
                good = good and "Traceback" not in done.stdout + done.stderr and new <= {".bundle.preparing"}
            if not good:
                wrong.append(f"{case}: code {done.returncode}, left {sorted(new)}: {done.stderr[-300:]}")
            for name in new:
                shutil.rmtree(folder / name)
            advance()
    return wrong


def jpeg_damage(photos: Sequence[bytes], folder: Path, seed: int, files: int) -> dict[str, Any]:
    """Shares of JPEG files damaged in their pixels that are told, by Pillow alone and by `read_image`."""
    each = -(-files // len(photos))
    rng = np.random.default_rng(seed)
    told: dict[str, Any] = {}
    for name, damage in (("one bit flipped", flip_bits(1)), ("512 bytes zeroed", zero_bytes(512))):
        counts: Counter[str] = Counter()
        for content in photos:
            head = content.index(b"\xff\xda") + 14  # behind the tables: the pixels
            for _ in range(each):
                (folder / "a.jpg").write_bytes(content[:head] + damage(content[head:], rng))
                try:
                    with Image.open(folder / "a.jpg") as opened:
                        opened.load()
                except Exception:
                    counts["Pillow"] += 1
                try:
                    read_image(folder / "a.jpg")
                except DataError:
                    counts["read_image"] += 1
        tries = len(photos) * each
        told[name] = {"files": tries} | {by: round(counts[by] / tries, 4) for by in ("Pillow", "read_image")}
    return told


@click.command()
@click.option(
    "--data-root", type=click.Path(path_type=Path, exists=True), help="Holds rsicd/; else pictures are drawn."
)
@click.option("--inputs", default=1000, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--limit", default=60.0, show_default=True, help="Seconds that the runs of one input may take.")
@click.option("--commands", default=16, show_default=True, help="Inputs that go through the command line as well.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/damaged_inputs.json"))
def main(data_root: Path | None, inputs: int, seed: int, limit: float, commands: int, out: Path) -> None:
    """Damage files, run them through, and count what becomes of them."""
    data_root = data_root.resolve() if data_root else None
    listed = list(cases(inputs))
    totals: dict[str, Counter[str]] = {}
    kinds: dict[str, dict[str, Counter[str]]] = {}
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(folder, data_root, seed)
        with progress_bar("damaged inputs", len(listed), show=True) as advance:
            for case in listed:
                for way, (outcome, message) in worker.run(case, limit).items():
                    totals.setdefault(way, Counter())[outcome] += 1
                    kind = kinds.setdefault(f"{case.family}, {case.form}: {case.damage}", {})
                    kind.setdefault(way, Counter())[outcome] += 1
                    if outcome in FAILURES:
                        failures.append({**case._asdict(), "way": way, "outcome": outcome, "message": message})
                advance()
        worker.process.kill()
        sample = [case for case in listed if case.family in ("picture", "table")]
        sample = sample[:: max(1, len(sample) // max(1, commands))][:commands]
        (Path(folder) / "commands").mkdir()
        wrong = command_line(Path(folder) / "commands", data_root, sample, seed, limit)
        jpeg = jpeg_damage(sound_photos(data_root), Path(folder), seed, 2 * inputs)
    result = {
        "inputs": len(listed),
        "seed": seed,
        "pictures": "rsicd" if data_root else "drawn",
        "outcomes": {way: ordered(counts) for way, counts in totals.items()},
        "command_line": {"runs": len(sample), "wrong": wrong},
        "share_of_damaged_jpeg_that_is_told": jpeg,
        "failures": failures,
        "kinds": {kind: {way: dict(sorted(counts.items())) for way, counts in kinds[kind].items()} for kind in kinds},
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
    click.echo(json.dumps({key: value for key, value in result.items() if key != "kinds"}, indent=1))


def ordered(counts: Counter[str]) -> dict[str, int]:
    """Outcomes in their order, and those that must not be even where there is none."""
    return {name: counts[name] for name in OUTCOMES if counts[name] or name in FAILURES}


if __name__ == "__main__":
    main()
