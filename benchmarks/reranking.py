"""Re-ranking by a joint score: its speed against the bare attention forward, its memory, and what it is good for.

    python -m benchmarks.reranking [--data-root DIR | --bundle BUNDLE] [--out benchmarks/results/reranking.json]

Speed and memory are those of 1,000 pictures as queries, the 50 first of 5,000 texts each, drawn features. The bare
forward is cross-attention, fusion and pooling of chunks of pairs that lie ready in memory; re-ranking also reads and
scales features, lets the items look at themselves and gathers them. Both are timed in turns, by the processor.

What it is good for is measured on the RSICD photos (regions and words, a pair a caption): R@1 of the pair itself, by
the codes of a model and after its joint score has re-ranked the first 50, over class splits, with the paired
permutation test over queries; and on training pairs, which shows what the score has learned at all.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from benchmarks.datasets import photo_bundles
from benchmarks.machine import machine_facts
from masln.data import PairedDataset, load_dataset, make_class_split
from masln.evaluation import (
    DIRECTIONS,
    Evaluation,
    Protocol,
    Reranker,
    evaluate,
    paired_permutation_test,
    student_interval,
    top_items,
)
from masln.models import AttentionMatching, JointScorer
from masln.training import Runtime

QUERIES, TEXTS, TOP = 1000, 5000, 50
REGIONS, D_IMAGE, TOKENS, D_TEXT = 49, 1280, 32, 50
PRINCIPAL, SAMPLE = 64, 8000  # directions that regions are reduced to, and regions that these are found on
SETTINGS: dict[str, Any] = {
    "code_width": 64,
    "heads": 2,
    "epochs": 20,
    "learning_rate": 3e-3,
    "input_scaling": "l2/center-l2",
}
FIGURES = ("R@1", "R@5", "R@10", "median_rank", "mAP")
FIRST_SPLIT = 1000
TRAINING_PICTURES = 70  # about as many as the test pictures of a part


def draw(n_images: int, n_texts: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of pictures, of texts, and the mask of the texts: 5 to 20 words."""
    rng = np.random.default_rng(seed)
    image = rng.standard_normal((n_images, REGIONS, D_IMAGE), dtype=np.float32).astype(np.float16)
    text = rng.standard_normal((n_texts, TOKENS, D_TEXT), dtype=np.float32)
    return image, text, np.arange(TOKENS) < rng.integers(5, 21, size=(n_texts, 1))


def drawn_scorer() -> JointScorer:
    """The method at its default sizes; what it learned is of no matter here."""
    image, text, mask = draw(64, 64)
    labels = np.arange(64) % 4
    names = tuple(f"class {c}" for c in range(4))
    pairs = PairedDataset(name="drawn", image=image, text=text, text_mask=mask, labels=labels, class_names=names)
    return AttentionMatching(epochs=1).fit(pairs, runtime=Runtime(device="cpu"))


def seconds_of(call: Callable[[], Any]) -> float:
    """Processor seconds, which neighbours on the machine do not lengthen."""
    started = time.process_time()
    call()
    return time.process_time() - started


def measure_speed(rounds: int) -> dict[str, Any]:
    """Pairs a second of re-ranking and of the bare forward, in turns, the best of each."""
    torch.set_num_threads(1)
    method = drawn_scorer()
    image, text, mask = draw(QUERIES, TEXTS)
    started = time.process_time()
    codes = method.encode_image(image), method.encode_text(text, mask)
    encoding = time.process_time() - started
    items = top_items(*codes, k=TOP)
    rows = {"image_rows": np.repeat(np.arange(QUERIES), TOP), "text_rows": items.ravel()}
    few = {name: values[: 8 * TOP] for name, values in rows.items()}
    ready = [chunk[1:] for chunk in method._chunks(image, text, mask, *few.values(), 256)]
    ready = [pair for pair in ready if len(pair[0].codes) == 256] or ready
    bare = np.inf
    ours: dict[int, float] = {}
    for _ in range(rounds):
        for pairs_at_once in (64, 256, 1024):
            found = seconds_of(lambda n=pairs_at_once: method.score(image, text, mask, **rows, pairs_at_once=n))
            ours[pairs_at_once] = min(ours.get(pairs_at_once, np.inf), found)
            for _ in range(20):
                for pair in ready:
                    with torch.no_grad():
                        own = seconds_of(lambda pair=pair: method._tower.joint_scores(*pair))
                    bare = min(bare, own / len(pair[0].codes))
    pairs = QUERIES * TOP
    default = ours[256]
    return {
        "pairs": pairs,
        "encoding_seconds": encoding,
        "bare_pairs_per_second": 1 / bare,
        "pairs_per_second": {str(n): pairs / own for n, own in ours.items()},
        "share_of_bare_forward": pairs * bare / default,
    }


def measure_memory() -> dict[str, Any]:
    """Memory that scoring adds at its peak to a process that holds the features (Linux), in MiB."""
    code = "from benchmarks.reranking import print_memory; print_memory()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    growth: dict[str, float] = json.loads(done.stdout)
    return {"growth_mib": growth}


def print_memory() -> None:
    """Score few pairs and many, and print what each took beyond what was held before."""
    torch.set_num_threads(1)
    method = drawn_scorer()
    rng = np.random.default_rng(0)
    image, text, mask = draw(QUERIES, TEXTS)
    growth = {}
    for pairs, at_once in ((12_500, 256), (50_000, 256), (12_500, 1024)):
        rows = {"image_rows": rng.integers(0, QUERIES, pairs), "text_rows": rng.integers(0, TEXTS, pairs)}
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew from here
        before = memory_of("VmRSS")
        method.score(image, text, mask, **rows, pairs_at_once=at_once)
        growth[f"{pairs:,} pairs, chunks of {at_once:,}"] = memory_of("VmHWM") - before
    print(json.dumps(growth))


def memory_of(kind: str) -> float:
    """Memory of this process in MiB: held now (VmRSS), or at its peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 2**10


def both_ways(method: JointScorer, data: PairedDataset, **protocol: Any) -> tuple[Evaluation, Evaluation]:
    """The instance-level evaluation by codes, and after re-ranking."""
    codes = method.encode_image(data.image), method.encode_text(data.text, data.text_mask)

    def score(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
        return method.score(data.image, data.text, data.text_mask, image_rows=images, text_rows=texts)

    plain, again = (
        evaluate(
            *codes,
            data.labels,
            data.split,
            protocol=Protocol(relevance="instance", **protocol["rules"]),
            class_split=protocol.get("class_split"),
            instances=data.pictures,
            reranker=reranker,
        )
        for reranker in (None, Reranker(score, TOP))
    )
    return plain, again


def reduced(data: PairedDataset, seen: Sequence[int]) -> PairedDataset:
    """The same with regions on the principal directions of some training regions of the seen classes."""
    _, first, place = np.unique(data.pictures, return_index=True, return_inverse=True)
    image = np.asarray(data.image[first], dtype=np.float32)
    fitting = np.isin(data.labels[first], seen) & (data.split[first] != "test")
    regions = torch.from_numpy(image[fitting].reshape(-1, image.shape[2]))
    some = torch.randperm(len(regions), generator=torch.Generator().manual_seed(0))[:SAMPLE]
    mean = regions[some].mean(dim=0)
    _, vectors = torch.linalg.eigh((regions[some] - mean).T @ (regions[some] - mean))
    found = (torch.from_numpy(image) - mean) @ vectors[:, -PRINCIPAL:]
    return dataclasses.replace(data, image=found.numpy()[place])


def run_split(bundle: Path, number: int) -> dict[str, Any]:
    """Fit on the training pairs of the seen classes of one split; R@1 of every query, by codes and re-ranked."""
    torch.set_num_threads(1)
    data = load_dataset(str(bundle))
    class_split = make_class_split(data.class_names, seed=FIRST_SPLIT + number)
    data = reduced(data, class_split.seen)
    train = data.of_classes(class_split.seen, data.rows("train"))
    started = time.process_time()
    method = AttentionMatching(**SETTINGS).fit(train, runtime=Runtime(device="cpu"))
    result: dict[str, Any] = {"fit_seconds": time.process_time() - started, "history": method.history_[-1]}
    evaluations = {"": both_ways(method, data, rules={"setting": "seen_unseen"}, class_split=class_split)}
    chosen = np.unique(train.pictures, return_index=True)[1]
    pictures = train.pictures[np.sort(chosen)][:: max(1, len(chosen) // TRAINING_PICTURES)][:TRAINING_PICTURES]
    some = train.take(np.flatnonzero(np.isin(train.pictures, pictures)))
    some = dataclasses.replace(some, split=np.array(["test"] * len(some)))
    evaluations["training"] = both_ways(method, some, rules={"setting": "standard"})
    for name, (plain, again) in evaluations.items():
        for part in plain.parts:
            result[name or part] = {
                direction: {
                    "codes": plain.parts[part][direction].per_query["R@1"].tolist(),
                    "reranked": again.parts[part][direction].per_query["R@1"].tolist(),
                    "within": float((plain.parts[part][direction].per_query["first_rank"] <= TOP).mean()),
                    "metrics": [
                        {
                            key: own.parts[part][direction].metrics[key]
                            for key in ("R@1", "R@5", "R@10", "median_rank", "mAP")
                        }
                        for own in (plain, again)
                    ],
                }
                for direction in DIRECTIONS
            }
    return result


def measure_accuracy(bundle: Path, splits: int, jobs: int) -> dict[str, Any]:
    """R@1 of both, by part and direction: means over class splits, and p over the queries of all of them."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        runs = list(pool.map(run_split, [bundle] * splits, range(splits)))
    table: dict[str, Any] = {}
    for part in ("unseen", "seen", "training"):
        table[part] = {}
        pooled: dict[str, list[float]] = {"codes": [], "reranked": []}
        for direction in DIRECTIONS:
            own = [run[part][direction] for run in runs]
            values = {kind: np.concatenate([each[kind] for each in own]) for kind in pooled}
            for kind, figures in values.items():
                pooled[kind] += figures.tolist()
            gains = [np.mean(each["reranked"]) - np.mean(each["codes"]) for each in own]
            interval = student_interval(gains)
            table[part][direction] = {
                "queries": len(values["codes"]),
                "chance": float(np.mean([1 / _gallery(run, part, direction) for run in runs])),
                "match_within_top": float(np.mean([each["within"] for each in own])),
                **{
                    kind: {
                        key: float(np.mean([each["metrics"][place][key] for each in own]))
                        for key in own[0]["metrics"][0]
                    }
                    for place, kind in enumerate(pooled)
                },
                "R@1_gain_95%": [interval.mean, interval.low, interval.high],
                "p": paired_permutation_test(values["reranked"], values["codes"]),
            }
        table[part]["p_both_directions"] = paired_permutation_test(pooled["reranked"], pooled["codes"])
    return {
        "settings": SETTINGS,
        "regions_reduced_to": PRINCIPAL,
        "first_split": FIRST_SPLIT,
        "splits": splits,
        "fit_processor_seconds": [run["fit_seconds"] for run in runs],
        "last_losses": [run["history"] for run in runs],
        "instance_level": table,
    }


def _gallery(run: dict[str, Any], part: str, direction: str) -> float:
    """Items a match is drawn from at random, a picture's five captions being five chances."""
    queries = {each: len(run[part][each]["codes"]) for each in DIRECTIONS}
    return queries["t2i"] / 5 if direction == "i2t" else queries["i2t"]


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path, exists=True), help="Folder of the research data.")
@click.option("--bundle", type=click.Path(path_type=Path, exists=True), help="The photos as sequences, made before.")
@click.option("--studies", default="speed,memory,accuracy", show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--splits", default=3, show_default=True)
@click.option("--jobs", default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/reranking.json"))
def main(
    data_root: Path | None, bundle: Path | None, studies: str, rounds: int, splits: int, jobs: int, out: Path
) -> None:
    """Measure and write the JSON; studies that are not asked for stay as they were."""
    result: dict[str, Any] = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
    result |= machine_facts() | {"threads": 1}
    if "speed" in studies:
        result["speed"] = measure_speed(rounds)
    if "memory" in studies:
        result["memory"] = measure_memory()
    if "accuracy" in studies and (bundle or data_root):
        with tempfile.TemporaryDirectory() as folder:
            if bundle is None:
                assert data_root is not None
                bundle = photo_bundles(data_root, Path(folder))["photos-sequences-each"]
            result["accuracy"] = measure_accuracy(bundle, splits, jobs)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    click.echo(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
