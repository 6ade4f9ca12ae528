"""Search of large galleries: the exact backend against FAISS's own exact index, and what HNSW finds of real codes.

    python -m benchmarks.galleries [--data-root DIR] [--quick] [--threads 2] [--out benchmarks/results/galleries.json]

Speed: 1,000,000 codes of 128 dimensions drawn at random, 100 queries, k = 10, from a gallery on disk; FAISS's
IndexFlatIP holds the same vectors in memory. Calls are timed in turn in one process, the best of each is kept, and the
answers are held against each other. Recall: codes of all pictures by MASLN, of RSICD under ``--data-root`` or else of
the bundled set, as they are and tiled with noise until there are enough of them, asked with the codes of texts of
unseen classes; the noise is drawn at the size of half the distance to the nearest other code, so that copies stay with
their own.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import json
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import research_bundles
from benchmarks.evaluation import best_of
from masln.data import PairedDataset, load_dataset
from masln.retrieval import Codes, Gallery, Item, ModelFacts, build_gallery, make_backend, read_codes, stored_vectors
from masln.retrieval.items import write_items
from masln.saving import write_atomically

ITEMS, WIDTH, QUERIES, K = 1_000_000, 128, 100, 10
REAL_ITEMS = 100_000
Floats = NDArray[np.float32]


def codes_on_disk(folder: Path, sets: dict[str, Floats]) -> Codes:
    """A folder of codes as ``masln encode`` writes them; items are called by their number."""
    folder.mkdir()
    width = next(iter(sets.values())).shape[1]
    model = ModelFacts("0" * 64, "none", "none", "drawn", "0", width, "cosine")
    for modality, values in sets.items():
        np.save(folder / f"{modality}.npy", values, allow_pickle=False)
        write_items(folder / f"{modality}.jsonl", (Item(str(number)) for number in range(len(values))))
    counts = {modality: len(values) for modality, values in sets.items()}
    manifest = {"format": 1, "model": model.to_dict(), "counts": counts, "facts": {}, "skipped": []}
    (folder / "codes.json").write_text(json.dumps(manifest), encoding="utf-8")
    return read_codes(folder)


def measure_speed(folder: Path, items: int, rounds: int, threads: int) -> dict[str, Any]:
    """Time both precisions and FAISS's flat index on the same vectors."""
    import faiss

    rng = np.random.default_rng(0)
    codes, asked = (rng.standard_normal((n, WIDTH), dtype=np.float32) for n in (items, QUERIES))
    on_disk = codes_on_disk(folder / "drawn", {"image": codes})
    galleries: dict[str, Gallery] = {}
    built = {}
    for precision in ("fp32", "bf16"):
        started = time.perf_counter()
        backend = make_backend("exact", precision=precision)
        galleries[precision] = build_gallery(on_disk, folder / precision, backend=backend)
        built[precision] = time.perf_counter() - started
    flat = faiss.IndexFlatIP(WIDTH)
    flat.add(stored_vectors(codes, "cosine"))
    queries = stored_vectors(asked, "cosine")
    calls = {name: (lambda own=own: own.search("image", asked, K)) for name, own in galleries.items()}
    seconds = best_of({**calls, "faiss": lambda: flat.search(queries, K)}, rounds)
    one = best_of(
        {
            **{name: (lambda own=own: own.search("image", asked[:1], K)) for name, own in galleries.items()},
            "faiss": lambda: flat.search(queries[:1], K),
        },
        rounds,
    )
    rows = {name: call()[0] for name, call in calls.items()}
    theirs = flat.search(queries, K)[1]
    return {
        "items": items,
        "width": WIDTH,
        "queries": QUERIES,
        "k": K,
        "threads": threads,
        "seconds": seconds,
        "times_as_fast_as_faiss": {name: seconds["faiss"] / seconds[name] for name in galleries},
        "seconds_of_one_query": one,
        "seconds_to_build": built,
        "both_precisions_give_the_same": bool((rows["fp32"] == rows["bf16"]).all()),
        "rows_as_of_faiss": float((rows["fp32"] == theirs).mean()),
    }


def real_codes(data: PairedDataset, seed: int) -> tuple[Floats, Floats]:
    """Codes of all pictures of a dataset, and of its texts of unseen classes, by MASLN."""
    from masln import MASLN
    from masln.data import make_class_split

    split = make_class_split(data.class_names, rule="random", unseen_share=0.5, seed=seed)
    method = MASLN(seed=seed).fit(data.of_classes(split.seen, data.rows("train")))
    unseen = np.isin(data.labels, split.unseen)
    return method.encode_image(data.image), method.encode_text(np.asarray(data.text)[unseen])


def tiled(codes: Floats, count: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Copies of all codes, each but the first with noise, ``count`` in all."""
    unit = stored_vectors(codes, "cosine")
    near = unit @ unit.T
    np.fill_diagonal(near, -1)
    distance = np.sqrt(np.maximum(2 - 2 * near.max(axis=1), 0))
    noise = (distance / 2 / np.sqrt(codes.shape[1]))[:, None].astype(np.float32)
    done = 0
    while done < count:
        own = unit if not done else unit + noise * rng.standard_normal(unit.shape, dtype=np.float32)
        yield own[: count - done]
        done += len(own)


def measure_recall(
    folder: Path, pictures: Floats, texts: Floats, indexes: Sequence[str], count: int, seed: int
) -> dict[str, Any]:
    """Build each approximate index on so many codes, tiled; its recall and its time against the exact search."""
    gallery_codes = np.concatenate(list(tiled(pictures, count, np.random.default_rng(seed))))
    folder.mkdir()
    on_disk = codes_on_disk(folder / "real", {"image": gallery_codes, "text": texts})
    found: dict[str, Any] = {"items": count, "width": pictures.shape[1], "queries": len(texts), "k": K}
    exact = build_gallery(on_disk, folder / "exact", backend=make_backend("exact"))
    truth = exact.search("image", texts, K)[0]
    for index in indexes:
        started = time.perf_counter()
        gallery = build_gallery(on_disk, folder / index, backend=make_backend("faiss", index=index))
        built = time.perf_counter() - started
        rows = gallery.search("image", texts, K)[0]
        recall = float((truth[:, :, None] == rows[:, None, :]).any(axis=2).mean())
        calls = {
            "exact": lambda: exact.search("image", texts, K),
            index: lambda own=gallery: own.search("image", texts, K),
        }
        found[index] = {
            "recall@10": recall,
            "recall@10_printed_when_built": gallery.sides["image"].recall,
            "seconds_to_build": built,
            "seconds": best_of(calls, 3),
        }
    return found


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path, exists=True), help="Where the RSICD features are.")
@click.option("--quick", is_flag=True, help="A twentieth of the items.")
@click.option("--index", "indexes", multiple=True, default=("hnsw",), show_default=True, help="hnsw, ivfpq or both.")
@click.option("--threads", default=2, show_default=True)
@click.option("--rounds", default=7, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/galleries.json"))
def main(
    data_root: Path | None, quick: bool, indexes: tuple[str, ...], threads: int, rounds: int, seed: int, out: Path
) -> None:
    """Measure, print and write."""
    import faiss
    import torch

    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    share = 20 if quick else 1
    with tempfile.TemporaryDirectory() as temporary:
        speed = measure_speed(Path(temporary), ITEMS // share, rounds, threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = load_dataset(str(research_bundles(data_root, folder)["rsicd"]) if data_root else "emoji")
        pictures, texts = real_codes(data, seed)
        recall: dict[str, Any] = {"codes": f"masln on {data.name}", "real_codes": len(pictures)}
        for name, count in {"as they are": len(pictures), "tiled with noise": REAL_ITEMS // share}.items():
            recall[name] = measure_recall(folder / name, pictures, texts, indexes, count, seed)
    versions = {"torch": torch.__version__, "numpy": np.__version__, "faiss": faiss.__version__}
    result = {"machine": platform.machine(), "versions": versions, "exact": speed, "approximate": recall}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
    click.echo(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
