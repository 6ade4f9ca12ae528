"""`masln index add` killed at random moments: the gallery must answer as before, or as after, and then take the rest.

    python -m benchmarks.killed_index_add [--kills 20] [--backend bf16 --backend hnsw] [--out FILE.json]

The command runs in a process of its own on a gallery of codes drawn at random and is ended by SIGKILL at a moment drawn
by a seed, from when it makes its first file to when it would have ended. After each kill every file that the manifest
of before names is compared by its SHA-256, and so are the answers; at the end a whole `add` follows. What the file of
results says of other backends stays there.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.galleries import codes_on_disk
from masln.progress import progress_bar
from masln.retrieval import Gallery, build_gallery, make_backend
from masln.saving import write_atomically

ITEMS, ADDED, WIDTH, LIMIT = 10_000, 20_000, 64, 600
BACKENDS: dict[str, tuple[str, dict[str, Any]]] = {
    "bf16": ("exact", {"precision": "bf16"}),
    "hnsw": ("faiss", {"index": "hnsw", "construction": 40}),
    "milvus": ("milvus", {"index": "flat"}),  # a graph answers otherwise when others lie beside its rows
}


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file but the lock."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock.journal"
    }


def named(folder: Path) -> set[str]:
    """Files and folders that the manifest names."""
    sides = json.loads((folder / "gallery.json").read_text(encoding="utf-8"))["sides"].values()
    files = {name for side in sides for name in (side["removed"], side["index"]) if name is not None}
    return files | {segment["folder"] for side in sides for segment in side["segments"]}


def answers(folder: Path) -> Any:
    """What the gallery finds, opened anew."""
    gallery = Gallery(folder)
    asked = np.random.default_rng(3).standard_normal((50, WIDTH), dtype=np.float32)
    rows = gallery.search("image", asked, 10)[0]
    gallery.backend.close(folder)  # an embedded Milvus serves one process
    return [[item.id for item in gallery.side("image").items(own.tolist())] for own in rows]


def start(gallery: Path, codes: Path) -> subprocess.Popen[str]:
    """Begin the command."""
    command = [sys.executable, "-m", "masln", "index", "add", str(gallery), "--from", str(codes), "--quiet"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def folders(gallery: Path) -> set[tuple[str, int]]:
    """The folders of a gallery and when each was last changed; one of a killed add may come again by its name."""
    found = set()
    for path in gallery.iterdir():
        with suppress(FileNotFoundError):
            if path.is_dir():
                found.add((path.name, path.stat().st_ctime_ns))
    return found


def begun(gallery: Path, known: set[tuple[str, int]], process: subprocess.Popen[str]) -> float:
    """When the command made its first new folder."""
    while process.poll() is None and not folders(gallery) - known:
        time.sleep(0.001)
    return time.monotonic()


def renamed(codes: Path, prefix: str, count: int) -> None:
    """Give the items ids that no gallery has yet."""
    lines = "".join(json.dumps({"id": f"{prefix}-{number}"}) + "\n" for number in range(count))
    (codes / "image.jsonl").write_text(lines, encoding="utf-8")


@click.command()
@click.option("--kills", default=20, show_default=True, help="Over all backends.")
@click.option("--backend", "names", type=click.Choice(list(BACKENDS)), multiple=True, default=("bf16", "hnsw"))
@click.option("--items", default=ITEMS, show_default=True)
@click.option("--added", default=ADDED, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/killed_index_add.json"))
def main(kills: int, names: tuple[str, ...], items: int, added: int, seed: int, out: Path) -> None:
    """Kill, compare, go on."""
    rng = np.random.default_rng(seed)
    trials: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary, progress_bar("kills", kills, show=True) as advance:
        folder = Path(temporary)
        first = codes_on_disk(folder / "first", {"image": rng.standard_normal((items, WIDTH), dtype=np.float32)})
        more = codes_on_disk(folder / "more", {"image": rng.standard_normal((added, WIDTH), dtype=np.float32)}).folder
        for number, (name, (kind, options)) in enumerate((name, BACKENDS[name]) for name in names):
            gallery = folder / name
            build_gallery(first, gallery, backend=make_backend(kind, **options)).backend.close(gallery)
            renamed(more, f"{name}-whole", added)
            known = folders(gallery)
            process = start(gallery, more)
            at = begun(gallery, known, process)
            errors = process.communicate(timeout=LIMIT)[1]
            assert process.returncode == 0, errors
            seconds = time.monotonic() - at
            own = attempts = 0
            while own < (kills + number) // len(names):
                attempts += 1  # one that had ended before it was killed has added its items
                renamed(more, f"{name}-{attempts}", added)
                before, told, count = hashes(gallery), answers(gallery), len(Gallery(gallery))
                manifest = named(gallery)
                known = folders(gallery)
                process = start(gallery, more)
                at = begun(gallery, known, process)
                time.sleep(max(at + rng.uniform(0, seconds) - time.monotonic(), 0))
                process.kill()
                process.communicate()
                if process.returncode != -signal.SIGKILL:
                    continue  # it had ended
                now, found = hashes(gallery), answers(gallery)
                changed = sorted(file for file, digest in before.items() if now.get(file) != digest)
                # Files of an earlier generation, which the manifest does not name, are deleted by the next change.
                needed = [file for file in changed if file.split("/")[0] in manifest]
                after = len(Gallery(gallery)) == count + added
                same = "gallery.json" not in changed and found == told and len(Gallery(gallery)) == count
                outcome = "as before" if same and not needed else "as after" if after and not needed else "BROKEN"
                trials.append({"backend": name, "items": items, "added": added})
                trials[-1] |= {"outcome": outcome, "answers as before": found == told}
                trials[-1] |= {"changed or gone": changed, "of them named by the manifest": needed}
                trials[-1] |= {"new files": len(now.keys() - before.keys())}
                own += 1
                advance()
                click.echo(f"{name}: killed, {outcome}", err=True)
            renamed(more, f"{name}-last", added)
            process = start(gallery, more)
            errors = process.communicate(timeout=LIMIT)[1]
            count = len(Gallery(gallery))
            trials[-1]["a whole add follows"] = process.returncode == 0 and (count - items) % added == 0
    if out.exists():
        before = json.loads(out.read_text(encoding="utf-8"))
        of_others = [trial for trial in before["each kill"] if trial["backend"] not in names]
        sizes = {key: before[key] for key in ("items", "added") if key in before}  # said once, in older files
        trials = [sizes | trial for trial in of_others] + trials
    outcomes = [trial["outcome"] for trial in trials]
    result = {
        "width": WIDTH,
        "seed": seed,
        "kills": len(trials),
        "outcomes": {outcome: outcomes.count(outcome) for outcome in ("as before", "as after", "BROKEN")},
        "killed with files of its own on disk": sum(trial["new files"] > 0 for trial in trials),
        "each kill": trials,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
    click.echo(json.dumps({key: value for key, value in result.items() if key != "each kill"}, indent=1))


if __name__ == "__main__":
    main()
