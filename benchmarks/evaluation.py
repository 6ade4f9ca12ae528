"""Speed and memory of exact mAP@all, against the bare matrix product and against peers, in one run.

``python -m benchmarks.evaluation [--quick] [--out FILE]`` writes ``benchmarks/results/evaluation.json``.

On AMD Zen 4, numpy's AVX-512 sort is three to five times slower than its AVX2 sort (compress-store instructions are
microcoded there), and a process can only choose before it imports numpy. All timings are therefore taken in two
child processes, with numpy's own choice and with the AVX-512 sort switched off; the file holds both.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

SIZES = ((5_000, 5_000, 200), (2_000, 50_000, 200))
CLASSES = (10, 100)
MEMORY_SIZE = (10_000, 1_000_000, 64)
QUICK_QUERIES = 256
DISPATCH = {"numpy's choice": "", "without AVX-512": "X86_V4 AVX512_ICL AVX512_SPR"}
PEER_QUERIES = {5_000: 500, 50_000: 50}  # of these galleries; a full run of all peers takes many minutes


def best_of(
    calls: dict[str, Callable[[], Any]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Time calls in turn, so that a noisy neighbour hits all of them, and keep the best second of each."""
    seconds = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            start = clock()
            call()
            seconds[name] = min(seconds[name], clock() - start)
    return seconds


def measure_speed(rounds: int) -> list[dict[str, Any]]:
    """Time the product, ours and the peers at each size and number of classes."""
    import numpy as np
    import torch
    from sklearn.metrics import average_precision_score
    from torchmetrics.retrieval import RetrievalMAP

    from masln.evaluation import average_precision

    rows = []
    for m, n, d in SIZES:
        rng = np.random.default_rng(0)
        queries, gallery = (rng.standard_normal((k, d), dtype=np.float32) for k in (m, n))
        few = PEER_QUERIES[n]
        units = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries[:few], gallery)]
        scores = units[0] @ units[1].T
        for classes in CLASSES:
            of_query, of_gallery = rng.integers(0, classes, m), rng.integers(0, classes, n)
            relevant = of_query[:few, None] == of_gallery
            # torchmetrics takes relevant items that score 0 or less for irrelevant: keep all scores above 0
            flat = [torch.from_numpy(x.ravel()) for x in (scores + 1.5, relevant)]
            index = torch.arange(few).repeat_interleave(n)

            def scikit_learn() -> float:
                pairs = zip(relevant, scores, strict=True)  # noqa: B023
                return float(np.mean([average_precision_score(r, s) for r, s in pairs]))

            def torchmetrics() -> float:
                metric = RetrievalMAP()
                metric.update(flat[0], flat[1], indexes=index)  # noqa: B023
                return float(metric.compute())

            def ours(count: int = m) -> float:
                return float(average_precision(queries[:count], gallery, of_query[:count], of_gallery).mean())  # noqa: B023

            seconds = best_of({"product": lambda: queries @ gallery.T, "ours": ours}, rounds)  # noqa: B023
            peers = best_of({"scikit-learn": scikit_learn, "torchmetrics": torchmetrics}, 2)
            row = {
                "queries": m,
                "gallery": n,
                "width": d,
                "classes": classes,
                "product_s": seconds["product"],
                "ours_s": seconds["ours"],
                "ours_to_product": seconds["ours"] / seconds["product"],
                "peer_queries": few,
                "map_difference": {
                    "scikit-learn": abs(ours(few) - scikit_learn()),
                    "torchmetrics": abs(ours(few) - torchmetrics()),
                },
            }
            for name, taken in peers.items():
                whole = taken * m / few + seconds["product"]
                row[f"{name}_s_scaled_plus_product"] = whole
                row[f"{name}_to_ours"] = whole / seconds["ours"]
            rows.append(row)
    return rows


def measure_memory(queries: int) -> dict[str, Any]:
    """Take the peak of resident memory beyond the codes and labels, at a gallery of a million."""
    import resource

    import numpy as np

    from masln.evaluation import average_precision

    _, n, d = MEMORY_SIZE
    rng = np.random.default_rng(0)
    of_query, of_gallery = rng.integers(0, 100, queries), rng.integers(0, 100, n)
    query_codes = rng.standard_normal((queries, d), dtype=np.float32)
    gallery_codes = rng.standard_normal((n, d), dtype=np.float32)
    average_precision(query_codes[:32], gallery_codes[:100], of_query[:32], of_gallery[:100], empty="skip")
    before = _resident_bytes()
    start = time.perf_counter()
    mean = float(average_precision(query_codes, gallery_codes, of_query, of_gallery).mean())
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "queries": queries,
        "gallery": n,
        "width": d,
        "classes": 100,
        "seconds": seconds,
        "codes_bytes": query_codes.nbytes + gallery_codes.nbytes,
        "peak_beyond_codes_bytes": peak - before,
        "peak_beyond_codes_gib": (peak - before) / 2**30,
        "map": mean,
    }


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _child(task: str, disabled: str, argument: int) -> Any:
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": disabled, "PYTHONWARNINGS": "ignore"}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "benchmarks.evaluation", "--child", task, "--argument", str(argument)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def processor() -> str:
    """Name, family and model of the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    described = {key.strip(): value.strip() for key, value in fields.items()}
    name = described.get("model name", platform.processor())
    return f"{name}, family {described.get('cpu family', '?')}, model {described.get('model', '?')}"


@click.command()
@click.option("--quick", is_flag=True, help=f"Fewer rounds, and {QUICK_QUERIES} queries for the memory.")
@click.option("--memory/--no-memory", default=True, help="Measure the memory too (minutes when not quick).")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("benchmarks/results/evaluation.json"),
    show_default=True,
)
@click.option("--child", type=click.Choice(["speed", "memory"]), hidden=True)
@click.option("--argument", type=int, hidden=True)
def main(quick: bool, memory: bool, out: Path, child: str | None, argument: int) -> None:
    """Measure the evaluation and write the figures."""
    if child:
        click.echo(json.dumps(measure_speed(argument) if child == "speed" else measure_memory(argument)))
        return
    import numpy as np

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    report: dict[str, Any] = {
        "what": "exact mAP@all, class relevance, cosine, float32; best of several rounds taken in turn",
        "peers": "timed on peer_queries queries with the scores given, scaled to all queries, plus the product",
        "processor": processor(),
        "cores": cores,
        "numpy": np.__version__,
        "load_before": os.getloadavg(),
        "speed": {name: _child("speed", off, 3 if quick else 7) for name, off in DISPATCH.items()},
    }
    for name, rows in report["speed"].items():
        for row in rows:
            click.echo(
                f"{name}: {row['queries']} x {row['gallery']} x {row['width']}, {row['classes']} classes: "
                f"{row['ours_to_product']:.2f} times the product; scikit-learn {row['scikit-learn_to_ours']:.0f}, "
                f"torchmetrics {row['torchmetrics_to_ours']:.0f} times slower"
            )
    if memory:
        fastest = min(DISPATCH, key=lambda name: sum(row["ours_s"] for row in report["speed"][name]))
        queries = QUICK_QUERIES if quick else MEMORY_SIZE[0]
        report["memory"] = {"dispatch": fastest, **_child("memory", DISPATCH[fastest], queries)}
        click.echo(
            f"memory beyond the codes: {report['memory']['peak_beyond_codes_gib']:.2f} GiB "
            f"at {queries} x {MEMORY_SIZE[1]} x {MEMORY_SIZE[2]} in {report['memory']['seconds']:.0f} s"
        )
    report["load_after"] = os.getloadavg()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
