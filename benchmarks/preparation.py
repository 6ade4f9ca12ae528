"""`masln prepare` on 1,395 photos: its speed against the encoder's bare forward, its memory, and what it is good for.

    python -m benchmarks.preparation --data-root DIR [--splits 5] [--out benchmarks/results/preparation.json]

Speed: photos to bundle, whole (decoding, word vectors of the captions, writing), against the same network's forward on
pixels that lie in memory, in the same process, before and after, in as many threads; the faster of several batches at a
time with one torch thread each and one batch with all torch threads counts. With the sentence encoder both networks
count: images over the one's rate and captions over the other's. Memory: the command in a process of its own on the
photos once and on eight copies of each (links, so that no page is read twice for nothing), the peak of what it
allocated and of all that was resident, mapped files included. Figures: unseen and seen mAP of MASLN, ridge CCA and
chance for EfficientNet-Lite0 with each text extractor, over class splits, under the protocol of
`benchmarks/ablation.py`; an extractor that learns is fitted for each class split anew, on its seen classes.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import csv
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from benchmarks.ablation import SEEN, UNSEEN, Job, run_job, summarise
from masln.data import load_dataset, make_class_split
from masln.errors import MaslnError
from masln.features import make_extractor
from masln.features.pipeline import in_order
from masln.features.torch_threads import one_torch_thread
from masln.preparation import Preparation, prepare, work_folder
from masln.progress import progress_bar
from masln.saving import write_atomically

ENCODER = "efficientnet-lite0"
TEXTS = ("tfidf", "lda", "word2vec", "doc2vec", "sentence")
BATCH = 16
COPIES = 8
# Peak of anonymous memory as the system counts it: pages of mapped files can be dropped at any time, these cannot.
CHILD = """
import json, resource, sys, threading, time
from pathlib import Path
peak, done = 0, threading.Event()
def watch():
    global peak
    while not done.wait(0.05):
        for line in Path('/proc/self/status').read_text().splitlines():
            if line.startswith('RssAnon'):
                peak = max(peak, int(line.split()[1]))
watcher = threading.Thread(target=watch)
watcher.start()
from masln.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    assert not stop.code
finally:
    done.set()
    watcher.join()
print(json.dumps({'anonymous': peak, 'resident': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


def some_rows(table: Path, photos: int) -> list[dict[str, str]]:
    """Rows of the table; with ``photos``, about so many, of six classes."""
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    if not photos:
        return rows
    by_part: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        by_part[row["class"], "test" if row["split"] == "test" else "train"].append(row)
    names = sorted({row["class"] for row in rows})[:6]
    each = max(2, photos // len(names))
    return [
        row
        for name in names
        for part, count in (("train", each - each // 3), ("test", each // 3))
        for row in by_part[name, part][: max(1, count)]
    ]


def write_rows(file: Path, rows: list[dict[str, str]]) -> Path:
    """A table of its own for each measurement."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def bare_forward(pixels: list[Any], workers: int) -> float:
    """Images a second of the network alone, by the faster way of using the cores."""
    extractor: Any = make_extractor(ENCODER)
    batches = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
    network, images = extractor._network, sum(map(len, batches))
    extractor._extract(batches[0])

    def at_once() -> None:
        with torch.inference_mode():
            for batch in batches:
                extractor._forward(network, np.stack(batch))

    def several() -> None:
        for _ in in_order(extractor._extract, batches, workers=workers):
            pass

    return images / min(seconds_of(at_once), seconds_of(several))


def bare_text_forward(captions: list[str], workers: int) -> float:
    """Captions a second of the sentence encoder's network alone, on tokens that lie in memory."""
    tokenizer, network, *_ = make_extractor("sentence")._loaded()
    batches = [
        tokenizer(captions[start : start + BATCH], padding=True, truncation=True, return_tensors="pt")
        for start in range(0, len(captions), BATCH)
    ]

    def forward(batch: Any) -> None:
        with torch.inference_mode(), one_torch_thread():
            network(**batch)

    def several() -> None:
        for _ in in_order(forward, batches, workers=workers):
            pass

    forward(batches[0])
    return len(captions) / seconds_of(several)


def seconds_of(work: Callable[[], None]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure_speed(photos: Path, table: Path, rows: list[dict[str, str]], folder: Path, workers: int) -> dict[str, Any]:
    """Photos to bundle against the bare forward before and after it."""
    extractor = make_extractor(ENCODER)
    pixels = [extractor._read(photos / row["image"]) for row in rows[:256]]
    captions = [value for row in rows for name, value in row.items() if name.startswith("caption")]

    def bare() -> tuple[float, float]:
        return bare_forward(pixels, workers), bare_text_forward(captions[:1280], workers)

    before = bare()
    seconds = {
        text: seconds_of(
            lambda text=text: prepare(
                Preparation(images=photos, table=table, text_extractor=text, batch_size=BATCH),
                folder / f"speed-{text}",
                workers=workers,
                progress=True,
            )
        )
        for text in ("word2vec", "sentence")
    }
    images_bare, captions_bare = np.mean([before, bare()], axis=0).tolist()
    floor = {"word2vec": len(rows) / images_bare}
    floor["sentence"] = floor["word2vec"] + len(captions) / captions_bare
    return {
        "images": len(rows),
        "captions": len(captions),
        "workers": workers,
        "bare_forward_images_per_second": round(images_bare, 2),
        "bare_forward_captions_per_second": round(captions_bare, 2),
        "prepare_images_per_second": {text: round(len(rows) / value, 2) for text, value in seconds.items()},
        "share_of_bare_forward": {text: round(floor[text] / value, 3) for text, value in seconds.items()},
    }


def measure_memory(photos: Path, rows: list[dict[str, str]], folder: Path) -> dict[str, Any]:
    """Peaks in KiB at one and at eight copies of every photo."""
    measured: dict[str, Any] = {}
    for copies in (1, COPIES):
        many = folder / f"photos-{copies}"
        many.mkdir()
        repeated = []
        for copy in range(copies):
            for row in rows:
                name = f"{copy}-{row['image']}"
                (many / name).symlink_to(photos / row["image"])
                repeated.append(row | {"image": name})
        table = write_rows(folder / f"photos-{copies}.csv", repeated)
        arguments = ["prepare", "--images", str(many), "--table", str(table), "--out", str(folder / f"memory-{copies}")]
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *arguments, "--text-extractor", "word2vec", "--quiet"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        measured[f"{copies}x"] = {"images": len(repeated)} | json.loads(done.stdout.splitlines()[-1])
    first, last = measured["1x"], measured[f"{COPIES}x"]
    return measured | {"growth": {key: round(last[key] / first[key], 3) for key in ("anonymous", "resident")}}


def bundles_of(photos: Path, table: Path, folder: Path, splits: range, workers: int) -> dict[tuple[str, int], Path]:
    """A bundle for each text extractor and class split; where nothing is learned, one for all class splits.

    The photos are encoded once: a work folder with their features is what a killed run leaves behind.
    """
    first = folder / "first"
    kept = folder / "kept"
    settings = {"images": photos, "table": table, "batch_size": BATCH, "name": "rsicd photos"}
    try:  # a text setting that fails stops the run behind its pictures
        prepare(
            Preparation(**settings, text_extractor="tfidf", text_settings={"min_texts": 10**9}),
            first,
            workers=workers,
            progress=True,
        )
    except MaslnError:
        if not work_folder(first).is_dir():
            raise
    shutil.move(work_folder(first), kept)
    (kept / "lock.journal").unlink()
    bundles: dict[tuple[str, int], Path] = {}
    for text in TEXTS:
        learns = make_extractor(text).learns
        for split in splits if learns else splits[:1]:
            out = folder / f"{text}-{split}"
            shutil.copytree(kept, work_folder(out))
            rule = {"class_split": "random", "seed": split} if learns else {}
            prepare(Preparation(**settings, text_extractor=text, **rule), out, workers=workers, progress=True)
            for served in [split] if learns else splits:
                bundles[text, served] = out
    return bundles


def measure_figures(bundles: dict[tuple[str, int], Path], splits: range, epochs: int) -> dict[str, Any]:
    """Unseen and seen mAP of each method with each text extractor."""
    result: dict[str, Any] = {}
    methods = ("masln", "cca", "chance")
    with progress_bar("figures", len(TEXTS) * len(splits) * len(methods), show=True) as advance:
        for text in TEXTS:
            records = []
            for split in splits:
                dataset = load_dataset(str(bundles[text, split]))
                fitted = dataset.manifest["recipe"]["text_extractor"]["fitted_on"]
                expected = make_class_split(dataset.class_names, seed=split).hash
                assert fitted["class_split"] in (None, expected), "fitted on another class split"
                for method in methods:
                    fixed = {"epochs": epochs} if epochs and method == "masln" else {}
                    records.append(
                        run_job(Job(str(bundles[text, split]), text, method, method, fixed, split, not fixed))
                    )
                    advance()
            runs = [{**r.facts, "unseen": r.map("unseen"), "seen": r.map("seen")} for r in records]
            result[text] = {"rows": summarise(records, "cca"), "runs": runs}
    return result


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path, exists=True), required=True, help="Holds rsicd/photos.")
@click.option("--splits", default=5, show_default=True, help="Class splits.")
@click.option("--first-split", default=1000, show_default=True, help="Seed of the first class split.")
@click.option("--workers", default=2, show_default=True)
@click.option("--photos", default=0, show_default=True, help="To try it: about so many photos, of six classes; 0: all.")
@click.option("--epochs", default=0, show_default=True, help="To try it: of MASLN, without selection; 0: as it is.")
@click.option("--parts", default="speed,memory,figures", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/preparation.json"))
def main(
    data_root: Path, splits: int, first_split: int, workers: int, photos: int, epochs: int, parts: str, out: Path
) -> None:
    """Measure speed, memory and figures, and write them as JSON, anew after every part."""
    pictures = (data_root / "rsicd" / "photos").resolve()
    rows = some_rows(data_root / "rsicd" / "photos.csv", photos)
    seeds = range(first_split, first_split + splits)
    result: dict[str, Any] = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "torch": torch.__version__,
        "encoder": ENCODER,
        "photos": len(rows),
        "splits": splits,
        "first_split": first_split,
        "unseen": UNSEEN.describe(),
        "seen": SEEN.describe(),
    }
    if out.is_file():
        result = {**json.loads(out.read_text(encoding="utf-8")), **result}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        table = write_rows(folder / "photos.csv", rows)
        for part in parts.split(","):
            if part == "speed":
                result[part] = measure_speed(pictures, table, rows, folder, workers)
            elif part == "memory":
                result[part] = measure_memory(pictures, rows, folder)
            elif part == "figures":
                bundles = bundles_of(pictures, table, folder, seeds, workers)
                result[part] = measure_figures(bundles, seeds, epochs)
            else:
                raise click.BadParameter(f"unknown part {part!r}; known: speed, memory, figures")
            write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
            click.echo(f"{part}: written to {out}")
    for text, study in result.get("figures", {}).items():
        for row in study["rows"]:
            click.echo(f"{text:9} {row['part']:7} {row['method']:7} {row['average']:.3f}")


if __name__ == "__main__":
    main()
