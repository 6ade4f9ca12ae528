"""What processes are given to do."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from masln.errors import DataError
from masln.experiments.processes import peak_memory


def write_pid(file: Path) -> None:
    file.write_text(str(os.getpid()))


def refuse(file: Path) -> None:
    raise DataError(f"{file}: two\nlines")


def break_down(file: Path) -> None:
    raise ValueError("broken")


def print_everywhere(file: Path) -> None:
    print("output")
    print("error", file=sys.stderr)
    os.write(2, b"library\n")


def be_killed(file: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(file: Path) -> None:
    os._exit(7)


def hold_memory(file: Path) -> None:
    before = peak_memory() or 0
    np.ones(25_000_000)  # 200 MB
    file.write_text(f"{before} {peak_memory()}")


def wait_for_interrupt(file: Path) -> None:
    """Ends by Ctrl-C alone, and says that it did."""
    write_pid(file)
    try:
        while True:
            time.sleep(60)
    except KeyboardInterrupt:
        file.write_text("told")
        raise


def count_or_refuse(folder: Path, reason: str) -> None:
    """Adds one to the number in the folder, and refuses where there is none."""
    if not (folder / "count.txt").is_file():
        raise DataError(reason)
    print("counting")
    (folder / "count.txt").write_text(str(1 + int((folder / "count.txt").read_text())))
    (folder / "deep").mkdir()
    (folder / "deep" / "er.txt").write_text("left")
