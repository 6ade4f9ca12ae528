"""Tasks on a Ray cluster: each in a worker process of its own, its folder sent there and back, a lost one again."""

from __future__ import annotations

import logging
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from masln._version import __version__
from masln.errors import ConfigError, MissingExtraError
from masln.experiments.processes import attempt, count_of
from masln.progress import progress_bar
from masln.training import write_atomically

__all__ = ["Cluster", "connect"]

RETRIES = 3  # of a task whose worker or machine was lost; Ray's own default


class Cluster:
    """A Ray cluster that this process is connected to; ``connect`` makes one."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    def threads(self, jobs: int | None) -> int:
        """Threads of each task where ``jobs`` run at once: its share of all cores, on one machine; else one."""
        if jobs is None:
            return 1
        cores = self._of_machines("CPU")
        return max(1, min(sum(cores) // jobs, max(cores)))

    def check(self, *, threads: int, gpus: int) -> None:
        """Raise ConfigError where no machine has what a task needs, for which Ray would wait for ever."""
        for name, needed in (("CPU", threads), ("GPU", gpus)):
            most = max(self._of_machines(name), default=0)
            if needed > most:
                raise ConfigError(f"a run needs {needed} {name}s, but no machine of the cluster has more than {most}")

    def _of_machines(self, name: str) -> list[int]:
        return [int(node["Resources"].get(name, 0)) for node in self._ray.nodes() if node["Alive"]]

    def run(
        self,
        function: Callable[..., None],
        tasks: Sequence[tuple[Any, ...]],
        *,
        log: str,
        threads: int,
        jobs: int | None = None,
        gpus: int = 0,
        finished: int = 0,
        progress: bool = False,
    ) -> list[str]:
        """Call ``function(*task)`` for every task, the first of whose arguments is its folder.

        No disk need be shared: what stands in a folder here is copied to one there, and what the task leaves in that
        comes back when it ends, ``metrics.json`` last. A task whose worker is lost begins again from what stood here.

        Args:
            function: Importable by name, there too.
            tasks: Begun in this order.
            log: Name of the file in the folder that takes what a task prints, and its traceback.
            threads: Cores that a task is declared to need; ``check`` tells whether a machine has them.
            jobs: Tasks at once; None leaves that to the cluster.
            gpus: Accelerators that a task is declared to need.
            finished: Tasks beside these that were done before, for the bar.
            progress: Show it, where standard error is a terminal.

        Returns:
            For each task what went wrong, in one line; empty where nothing did.

        Raises:
            KeyboardInterrupt: Ctrl-C; tasks that had not ended are cancelled.
        """
        ray = self._ray
        # a worker takes one task, so that its threads and its peak memory are those of the task
        remote = ray.remote(max_calls=1, max_retries=RETRIES, num_cpus=threads, num_gpus=gpus)(_work)
        waiting, failures = list(enumerate(tasks))[::-1], [""] * len(tasks)
        running: dict[Any, int] = {}
        try:
            with progress_bar("runs", finished + len(tasks), show=progress) as advance:
                advance(finished)
                while waiting or running:
                    while waiting and (jobs is None or len(running) < jobs):
                        number, (folder, *rest) = waiting.pop()
                        running[remote.remote(function, read_folder(folder), rest, log, __version__)] = number
                    advance(0, count_of(self._busy(len(running), threads), failures))
                    (ended,), _ = ray.wait(list(running), num_returns=1)
                    number = running.pop(ended)
                    failures[number] = self._receive(ended, tasks[number][0])
                    advance(1, count_of(self._busy(len(running), threads), failures))
        except KeyboardInterrupt:
            for task in running:
                ray.cancel(task, force=True)
            raise
        return failures

    def _busy(self, sent: int, threads: int) -> int:
        return min(sent, sum(cores // threads for cores in self._of_machines("CPU")))

    def _receive(self, ended: Any, folder: Path) -> str:
        try:
            outcome, files = self._ray.get(ended)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            words = str(cause).strip().partition("\n")[0]
            return f"the cluster lost it {RETRIES + 1} times, or could not begin it ({type(cause).__name__}: {words})"
        write_folder(folder, files)
        return str(outcome)


@contextmanager
def connect(address: str) -> Iterator[Cluster]:
    """Connect to a Ray cluster, and leave it at the end unless this process was connected before.

    Args:
        address: ``HOST:PORT`` or ``ray://HOST:PORT``; ``auto`` takes the one that ``RAY_ADDRESS`` or this machine knows
            of, and where there is none begins one here that ends with the block.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: no cluster answers there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise MissingExtraError("ray", "cluster", "running on a cluster") from None
    if ray.is_initialized():
        yield Cluster(ray)
        return
    try:
        ray.init(
            address=None if address == "auto" else address,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"no Ray cluster answers at {address} ({reason}); begin one by ray start --head, or give --cluster auto"
        ) from error
    try:
        yield Cluster(ray)
    finally:
        ray.shutdown()


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files below a folder, by their path in it; none where it is not there."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".partial"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write_folder(folder: Path, files: dict[str, bytes]) -> None:
    """Make a folder hold these files and no others, each whole; ``metrics.json`` comes after what it tells of."""
    for name in sorted(files, key=lambda name: (name.endswith("metrics.json"), -name.count("/"))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, files[name])
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in files:
            with suppress(FileNotFoundError):
                path.unlink()


def _work(
    function: Callable[..., None], files: dict[str, bytes], rest: Sequence[Any], log: str, version: str
) -> tuple[str, dict[str, bytes]]:
    if version != __version__:
        mixed = f"masln is {__version__} on {platform.node()} but {version} where the grid was begun"
        return f"{mixed}; install one version on all machines", files
    with tempfile.TemporaryDirectory(prefix="masln-") as scratch:
        folder = Path(scratch) / "run"
        write_folder(folder, files)
        outcome = attempt(function, (folder, *rest), folder / log)
        return outcome, read_folder(folder)
