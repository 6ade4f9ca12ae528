"""`masln serve` under load: 16 clients at once, beside the bare `search` call of the same machine, and abuse.

    python -m benchmarks.serving [--gallery FOLDER] [--requests 1000] [--out benchmarks/results/serving.json]

The server is the command in a process of its own, on a gallery that is given or on the demo; the clients are threads of
this process, each with a connection that it keeps. They ask with the gallery's own texts, with its items, and with its
pictures where these are at hand (else drawn ones). The first 200 answers are held against the ids of Python's `search`,
which is timed before and after the server, one query at a time. One client alone is timed too: latency under load is
mostly waiting, as searches go one at a time.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import io
import json
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import httpx
import numpy as np

from masln.experiments import open_encoder
from masln.retrieval import Encoder, Gallery, picture_of, search, search_by_item
from masln.saving import write_atomically
from masln.web import make_demo

CLIENTS, K, ALONE, BARE = 16, 10, 100, 200
Ask = Callable[[httpx.Client], httpx.Response]


@contextmanager
def serving(gallery: Path, run: Path | None) -> Iterator[str]:
    """The address of `masln serve` while the block runs."""
    command = [sys.executable, "-m", "masln", "serve", str(gallery), "--port", "0"]
    command += [] if run is None else ["--run", str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                raise click.ClickException("the server did not begin; its error stands above")
            yield found[0]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
    if process.returncode:
        raise click.ClickException(f"the server ended with {process.returncode}")


def summary(seconds: Sequence[float], whole: float) -> dict[str, Any]:
    """Milliseconds of single calls, and calls a second."""
    values = np.array(seconds) * 1000
    told = {f"p{q} ms": round(float(np.percentile(values, q)), 2) for q in (50, 99)}
    return {"calls": len(values), **told, "a second": round(len(values) / whole, 1)}


def timed(calls: Sequence[Callable[[], Any]]) -> tuple[list[Any], list[float], float]:
    """Results of calls one after the other, seconds of each, and of all."""
    results, seconds = [], []
    begun = time.perf_counter()
    for call in calls:
        started = time.perf_counter()
        results.append(call())
        seconds.append(time.perf_counter() - started)
    return results, seconds, time.perf_counter() - begun


def load(address: str, asks: Sequence[Ask], clients: int) -> tuple[list[httpx.Response], list[float], float]:
    """The same over HTTP, by so many clients at once."""

    def run(own: Sequence[Ask]) -> tuple[list[Any], list[float], float]:
        with httpx.Client(base_url=address, trust_env=False, timeout=120) as client:
            client.get("/healthz")
            return timed([lambda ask=ask: ask(client) for ask in own])

    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        parts = list(pool.map(run, [asks[first::clients] for first in range(clients)]))
    whole = time.perf_counter() - begun
    answers: list[Any] = [None] * len(asks)
    seconds: list[float] = []
    for first, (own, times, _) in enumerate(parts):
        answers[first::clients] = own
        seconds += times
    return answers, seconds, whole


def queries_of(gallery: Gallery, count: int) -> dict[str, list[Any]]:
    """Texts, ids and files of pictures of a gallery, spread over it and repeated where it is small."""
    texts, items = gallery.side("text"), gallery.side("image")

    def spread(total: int, wanted: int) -> list[int]:
        return [int(row) for row in np.arange(wanted) * max(total // wanted, 1) % total]

    pictures: list[bytes] = []
    for row in spread(items.total, max(count // 5, 1)):
        segment, own = items.place(row)
        file = picture_of(segment, segment.items.take([own])[0])
        pictures.append(file.read_bytes() if file is not None else drawn(row))
    return {
        "text": [item.text[:300] for item in texts.items(spread(texts.total, count))],
        "item": [item.id for item in items.items(spread(items.total, count))],
        "picture": pictures,
    }


def drawn(seed: int) -> bytes:
    """A PNG of noise."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (72, 72, 3), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def bare_calls(gallery: Gallery, encoder: Encoder, kind: str, queries: Sequence[Any]) -> list[Callable[[], Any]]:
    """Python's search of each query, as ids."""

    def ids(answer: Any) -> list[str]:
        return [hit.item.id for hit in answer.hits]

    def call(query: Any) -> list[str]:
        if kind == "item":
            return ids(search_by_item(gallery, query, modality="image", find="text", k=K))
        modality, find = ("text", "image") if kind == "text" else ("image", "text")
        return ids(search(gallery, encoder, [query], modality=modality, find=find, k=K)[0])

    return [lambda query=query: call(query) for query in queries]


def asks_of(kind: str, queries: Sequence[Any]) -> list[Ask]:
    """The request of each query."""

    def ask(query: Any) -> Ask:
        if kind == "picture":
            return lambda client: client.post("/api/search/image", files={"file": query}, data={"k": str(K)})
        body = {"text": query} if kind == "text" else {"item": query, "modality": "image"}
        return lambda client: client.post("/api/search", json={**body, "k": K})

    return [ask(query) for query in queries]


def abuse(address: str) -> dict[str, dict[str, Any]]:
    """What each abuse is answered, and whether a search is answered after it."""
    rows = zlib.compressobj(9)
    row = b"\0" + b"\xff" * 1250
    data = b"".join(rows.compress(row) for _ in range(10_000)) + rows.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)

    head = (10_000).to_bytes(4) * 2 + bytes([1, 0, 0, 0, 0])
    large = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    json_type = {"content-type": "application/json"}
    cases: dict[str, Ask] = {
        "50 MB upload": lambda own: own.post("/api/search/image", files={"file": b"\0" * 50_000_000}),
        "100-megapixel PNG": lambda own: own.post("/api/search/image", files={"file": large}),
        "path traversal, pictures": lambda own: own.get("/api/items/image/..%2F..%2F..%2Fetc%2Fpasswd/picture"),
        "path traversal, page": lambda own: own.get("/static/..%2f..%2fapp.py"),
        "1 MB query": lambda own: own.post("/api/search", json={"text": "a" * 1_000_000}),
        "non-UTF-8": lambda own: own.post("/api/search", content=b'{"text": "\xff"}', headers=json_type),
        "malformed JSON": lambda own: own.post("/api/search", content=b'{"text": ', headers=json_type),
    }
    told = {}
    with httpx.Client(base_url=address, trust_env=False, timeout=120) as client:
        for name, ask in cases.items():
            (answer,), seconds, _ = timed([lambda ask=ask: ask(client)])
            after = client.post("/api/search", json={"text": "a red flower"})
            told[name] = {
                "status": answer.status_code,
                "error": answer.json()["error"],
                "ms": round(seconds[0] * 1000, 1),
                "answers after it": after.status_code == 200,
            }
    return told


@click.command()
@click.option("--gallery", type=click.Path(path_type=Path), help="Of masln index build.  [default: the demo]")
@click.option("--requests", type=click.IntRange(min=CLIENTS), default=1000, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/serving.json"))
def main(gallery: Path | None, requests: int, out: Path) -> None:
    """Measure, and write the figures."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        run = None
        if gallery is None:
            made = make_demo(folder, progress=True)
            gallery, run = made.gallery, made.run
        opened = Gallery(gallery)
        encoder = open_encoder(run or opened.model.run)
        queries = queries_of(opened, requests)
        calls = {kind: bare_calls(opened, encoder, kind, own[:BARE]) for kind, own in queries.items()}
        for own in calls.values():
            own[0]()  # loads what the first of its kind needs
        bare: dict[str, list[Any]] = {kind: list(timed(own)) for kind, own in calls.items()}
        figures: dict[str, Any] = {}
        with serving(gallery, run) as address:
            for kind, own in queries.items():
                asks = asks_of(kind, own)
                alone = load(address, asks[:ALONE], 1)
                answers, seconds, whole = load(address, asks, CLIENTS)
                statuses = [answer.status_code for answer in answers]
                expected: list[list[str]] = bare[kind][0]
                found = [[hit["id"] for hit in answer.json().get("hits", ())] for answer in answers[: len(expected)]]
                same = sum(own_ids == ids for own_ids, ids in zip(found, expected, strict=True))
                figures[kind] = {
                    f"{CLIENTS} clients": summary(seconds, whole)
                    | {
                        "errors": sum(status != 200 for status in statuses),
                        "ids as of Python": f"{same} of {len(expected)}",
                    },
                    "one client": summary(alone[1], alone[2]),
                }
                click.echo(f"{kind}: {json.dumps(figures[kind])}", err=True)
            told = abuse(address)
        for kind, own in calls.items():
            _, seconds, whole = timed(own)
            figures[kind]["bare search"] = summary(bare[kind][1] + seconds, bare[kind][2] + whole)
    sides = {name: len(side) for name, side in opened.sides.items()}
    result = {
        "data": opened.model.data,
        "method": opened.model.method,
        "items": sides,
        "extractors": {name: encoder.extractor(name).name for name in ("image", "text")},
        "k": K,
        "threads of torch": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load of the machine at the end, 1 minute": round(os.getloadavg()[0], 1),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "figures": figures,
        "abuse": told,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
    click.echo(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
