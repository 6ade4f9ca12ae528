"""One progress bar for everything that takes over two seconds; quiet where standard error is no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Advance", "progress_bar"]


_ESTIMATED_OVER = 86400.0  # seconds that the time left is told from; rich's 30 know no task of minutes; ours


class Advance(Protocol):
    """Moves a bar by ``steps`` and may set the words after it."""

    def __call__(self, steps: int = 1, note: str = "") -> None:
        """Move the bar."""


@contextmanager
def progress_bar(title: str, total: int | None, *, show: bool, in_bytes: bool = False) -> Iterator[Advance]:
    """Show a bar on standard error while the block runs.

    Args:
        title: The words before it.
        total: How many steps there are; None where nobody knows.
        show: False keeps quiet on a terminal too.
        in_bytes: The steps are bytes; they are shown as kB, MB and GB.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not (show and console.is_terminal):
        yield lambda steps=1, note="": None
        return
    count = DownloadColumn() if in_bytes else MofNCompleteColumn()
    note_column = TextColumn("{task.fields[note]}")
    columns = (TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn(), note_column)
    with Progress(*columns, console=console, transient=True, speed_estimate_period=_ESTIMATED_OVER) as bar:
        task = bar.add_task(title, total=total, note="")
        yield lambda steps=1, note="": bar.update(task, advance=steps, note=note)
