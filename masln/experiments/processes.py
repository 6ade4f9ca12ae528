"""Tasks side by side, each in a process of its own: one that dies or fails takes no other with it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import signal
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from masln.errors import MaslnError
from masln.progress import progress_bar

__all__ = ["available_cores", "peak_memory", "run_in_processes"]


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
    title: str = "runs",
    progress: bool = False,
) -> list[str]:
    """Call ``function(*task)`` for every task, each in a new process, so many at once.

    Args:
        function: Importable by name; its arguments can be pickled.
        tasks: Begun in this order.
        jobs: Processes at once.
        title: Of the bar.
        progress: Show it, where standard error is a terminal.

    Returns:
        For each task what went wrong, in one line; empty where nothing did.

    Raises:
        KeyboardInterrupt: Ctrl-C; the processes were told too, and have ended.
    """
    context = multiprocessing.get_context("spawn")
    waiting, failures = list(enumerate(tasks))[::-1], [""] * len(tasks)
    running: dict[int, tuple[int, SpawnProcess, Connection]] = {}
    try:
        with progress_bar(title, len(tasks), show=progress) as advance:
            while waiting or running:
                while waiting and len(running) < jobs:
                    number, task = waiting.pop()
                    receiving, sending = context.Pipe(duplex=False)
                    process = context.Process(target=_work, args=(sending, function, task))
                    process.start()
                    sending.close()
                    running[process.sentinel] = number, process, receiving
                for sentinel in wait(list(running)):
                    assert isinstance(sentinel, int)
                    number, process, receiving = running.pop(sentinel)
                    failures[number] = _outcome(process, receiving)
                    advance()
    except KeyboardInterrupt:
        for _, process, _ in running.values():
            if process.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGINT)
        for _, process, _ in running.values():
            process.join()
        raise
    return failures


def _work(answer: Connection, function: Callable[..., None], task: tuple[Any, ...]) -> None:
    try:
        function(*task)
        answer.send("")
    except MaslnError as error:
        answer.send(" ".join(str(error).split()))
    except KeyboardInterrupt:
        answer.send("interrupted")
    except Exception as error:
        traceback.print_exc()
        answer.send(f"{type(error).__name__}: {' '.join(str(error).split())}")


def _outcome(process: SpawnProcess, answer: Connection) -> str:
    process.join()
    with answer:
        try:
            outcome: str = answer.recv()
        except EOFError:
            outcome = f"its process ended with exit code {process.exitcode}" + (
                " (killed: out of memory?)" if process.exitcode == -signal.SIGKILL else ""
            )
    return outcome
