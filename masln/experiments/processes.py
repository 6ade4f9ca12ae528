"""Tasks side by side, each in a process of its own: one that dies or fails takes no other with it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

from masln.errors import MaslnError
from masln.progress import progress_bar

__all__ = ["attempt", "available_cores", "count_of", "peak_memory", "run_in_processes"]


_Process = ForkServerProcess | SpawnProcess


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory() -> int | None:
    """Most bytes of memory that this process has held (resident); None where the system does not tell."""
    try:
        # Not getrusage: on Linux a new process inherits its figure from the one that started it.
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    except OSError:
        found = None
    return int(found[1]) * 1024 if found else None


def run_in_processes(
    function: Callable[..., None],
    tasks: Sequence[tuple[Any, ...]],
    *,
    jobs: int,
    logs: Sequence[Path],
    title: str = "runs",
    finished: int = 0,
    progress: bool = False,
) -> list[str]:
    """Call ``function(*task)`` for every task, each in a new process, so many at once.

    Args:
        function: Importable by name; its arguments can be pickled.
        tasks: Begun in this order.
        jobs: Processes at once.
        logs: A file for each task, to the end of which goes what it prints, and its traceback.
        title: Of the bar.
        finished: Tasks beside these that were done before, for the bar.
        progress: Show it, where standard error is a terminal.

    Returns:
        For each task what went wrong, in one line; empty where nothing did.

    Raises:
        KeyboardInterrupt: Ctrl-C; the processes were told too, and have ended.
    """
    context = _context()
    waiting, failures = list(enumerate(tasks))[::-1], [""] * len(tasks)
    running: dict[int, tuple[int, _Process, Connection]] = {}
    try:
        with progress_bar(title, finished + len(tasks), show=progress) as advance:
            advance(finished)
            while waiting or running:
                while waiting and len(running) < jobs:
                    number, task = waiting.pop()
                    receiving, sending = context.Pipe(duplex=False)
                    process = context.Process(target=_work, args=(sending, function, task, logs[number]))
                    process.start()
                    sending.close()
                    running[process.sentinel] = number, process, receiving
                advance(0, count_of(len(running), failures))
                for sentinel in wait(list(running)):
                    assert isinstance(sentinel, int)
                    number, process, receiving = running.pop(sentinel)
                    failures[number] = _outcome(process, receiving)
                    advance(1, count_of(len(running), failures))
    except KeyboardInterrupt:
        for _, process, _ in running.values():
            if process.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGINT)
        for _, process, _ in running.values():
            process.join()
        raise
    return failures


def count_of(running: int, failures: Sequence[str]) -> str:
    """How many tasks run and have failed, for the end of a bar."""
    failed = sum(map(bool, failures))
    return f"{running} running" + (f", {failed} failed" if failed else "")


def attempt(function: Callable[..., None], task: tuple[Any, ...], log: Path) -> str:
    """Call ``function(*task)`` with all it prints, and its traceback, at the end of a file.

    Returns:
        What went wrong, in one line; empty where nothing did.
    """
    try:
        with _output_to(log):
            try:
                function(*task)
            except BaseException:
                traceback.print_exc()
                raise
    except KeyboardInterrupt:
        return "interrupted"
    except MaslnError as error:
        return " ".join(str(error).split())
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return ""


@contextlib.contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Send standard output and error to a file: those of Python, and the descriptors that libraries in C write to."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8", buffering=1) as stream:
        for own in (sys.stdout, sys.stderr):
            own.flush()
        before = [os.dup(number) for number in (1, 2)]
        try:
            for number in (1, 2):
                os.dup2(stream.fileno(), number)
            with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
                yield
        finally:
            for number, kept in zip((1, 2), before, strict=True):
                os.dup2(kept, number)
                os.close(kept)


def _context() -> ForkServerContext | SpawnContext:
    """How processes are begun: on Linux by a server that has imported what runs need, which costs seconds, once."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["masln.experiments", "torch._dynamo"])  # the second every optimizer imports, 1 s
    return context


def _work(answer: Connection, function: Callable[..., None], task: tuple[Any, ...], log: Path) -> None:
    answer.send(attempt(function, task, log))


def _outcome(process: _Process, answer: Connection) -> str:
    process.join()
    with answer:
        try:
            outcome: str = answer.recv()
        except EOFError:
            outcome = f"its process ended with exit code {process.exitcode}" + (
                " (killed: out of memory?)" if process.exitcode == -signal.SIGKILL else ""
            )
    return outcome
