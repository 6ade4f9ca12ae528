"""A grid killed at random points and restarted gives the table of a straight run, bit for bit; so does Ray.

    python -m benchmarks.interrupted_grid [--kills 5] [--seed 0] [--data emoji]

The grid is MASLN, ridge CCA and chance on two class splits, two runs at once with a thread each. It is run straight;
then in a process group of its own that is killed (SIGKILL, the whole group) at a random epoch, restarted, and so on,
until a last restart ends it; then on a Ray cluster of two workers, one of which is killed while it makes a run. Tables
are compared without their costs (time, memory). Writes benchmarks/results/interrupted_grid.json.
"""

from __future__ import annotations

import os

os.environ.update(OMP_WAIT_POLICY="PASSIVE", OMP_NUM_THREADS="1")

import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from masln.data import DEFAULT_DATASET
from masln.experiments import Grid, GridResult, RunConfig, entries_of, run_grid
from masln.training import write_atomically

EPOCHS = 100  # of a run; more than the 15 seconds after which one leaves its first checkpoint
COSTS = ("processor_seconds", "peak_memory")


def make_grid(data: str) -> Grid:
    """The runs: MASLN, CCA and chance, on two class splits."""
    config = RunConfig("masln", data, {"epochs": EPOCHS}, select=False, splits=2, device="cpu")
    return Grid("interrupted", tuple(entries_of(config)))


def figures(result: GridResult) -> list[dict[str, Any]]:
    """All rows of all tables, without what a run cost."""
    rows = [row for table in result.tables for row in table.rows()]
    return [{key: value for key, value in row.items() if key not in COSTS} for row in rows]


def state(directory: Path) -> dict[str, int]:
    """How many runs are finished and how many begun, the epochs on record, and the checkpoints."""
    runs = list((directory / "runs").glob("*"))
    finished = sum((run / "metrics.json").is_file() for run in runs)
    epochs = sum(path.read_bytes().count(b"\n") for path in directory.rglob("events.jsonl"))
    checkpoints = len(list(directory.rglob("checkpoint.pt")))
    return {"finished": finished, "begun": len(runs) - finished, "epochs": epochs, "checkpoints": checkpoints}


def kill_at(directory: Path, data: str, epoch: int) -> dict[str, Any]:
    """Begin the grid, or go on with it, and kill its whole process group once so many epochs of all are on record."""
    command = [sys.executable, "-m", "benchmarks.interrupted_grid", "--data", data, "--only-run", str(directory)]
    before = _records(directory)
    process = subprocess.Popen(command, start_new_session=True)
    while process.poll() is None and (state(directory)["epochs"] < epoch or _records(directory) == before):
        time.sleep(0.02)
    ended = process.poll() is not None
    if not ended:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return {"at_epoch": epoch, "had_ended": ended, **state(directory)}


def _records(directory: Path) -> dict[Path, int]:
    """Size of each record of epochs; one that grows shows that a run goes on."""
    return {path: path.stat().st_size for path in directory.rglob("events.jsonl")}


@contextmanager
def one_worker_killed() -> Iterator[list[int]]:
    """While the block runs, kill the first worker of this process's Ray that makes a run; gives its process id."""
    killed: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not (killed or over.wait(0.02)):
            for pid in _making_a_run():
                over.wait(0.3)  # into the middle of it
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield killed
    finally:
        over.set()
        watcher.join()


def _making_a_run() -> list[int]:
    """Workers below this process whose title is that of a task."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::_work") and os.getpid() in _ancestors(int(path.parent.name)):
                found.append(int(path.parent.name))
        except OSError:  # it has ended
            continue
    return found


def _ancestors(pid: int) -> list[int]:
    found = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])
        found.append(pid)
    return found


def run_under_ray(grid: Grid, directory: Path) -> tuple[GridResult, dict[str, Any]]:
    """The grid on a cluster of two workers, one of them killed."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    ray.init(
        num_cpus=2,
        object_store_memory=80_000_000,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
    )
    try:
        with one_worker_killed() as killed:
            result = run_grid(grid, directory, jobs=2, threads=1, cluster="auto")
    finally:
        ray.shutdown()
    return result, {"workers": 2, "workers_killed": len(killed), "ray": ray.__version__}


@click.command()
@click.option("--data", default=DEFAULT_DATASET, show_default=True)
@click.option("--kills", default=5, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of the epochs of the kills.")
@click.option("--only-run", type=click.Path(path_type=Path), help="Run the grid there, and no more.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/interrupted_grid.json"))
def main(data: str, kills: int, seed: int, only_run: Path | None, out: Path) -> None:
    """Kill, restart, compare; exit code 1 where a table differs."""
    grid = make_grid(data)
    if only_run:
        run_grid(grid, only_run, jobs=2, threads=1)
        return
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        straight = figures(run_grid(grid, Path(folder, "straight"), jobs=2, threads=1))
        seconds = time.perf_counter() - started
        at = sorted(rng.sample(range(1, 2 * EPOCHS), kills))
        killed = [kill_at(Path(folder, "killed"), data, epoch) for epoch in at]
        restarted = figures(run_grid(grid, Path(folder, "killed"), jobs=2, threads=1))
        on_ray, facts = run_under_ray(grid, Path(folder, "ray"))
    same = {"restarted": restarted == straight, "ray": figures(on_ray) == straight}
    result = {"data": data, "seed": seed, "straight_seconds": round(seconds, 1), "rows": len(straight)}
    result |= {"kills": killed, "ray": facts, "identical": same, "table": straight}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
    for number, kill in enumerate(killed, start=1):
        click.echo(f"kill {number}: {kill}")
    click.echo(f"ray: {facts}; identical: {same}")
    sys.exit(0 if all(same.values()) else 1)


if __name__ == "__main__":
    main()
