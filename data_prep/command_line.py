"""What the recipes' commands share: one-line errors with exit code 2, and a progress bar that is quiet in a pipe."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import ParamSpec, TypeVar

import click

from masln.errors import MaslnError

P = ParamSpec("P")
T = TypeVar("T")


def one_line_errors(command: Callable[P, T]) -> Callable[P, T]:
    """Make a command print a `MaslnError` (or a file that cannot be read) as one line and exit with 2.

    Args:
        command: The function behind a click command.

    Returns:
        The same function; errors of other kinds pass through as they are, since they are faults of ours.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except (MaslnError, OSError) as error:
            click.echo(f"Error: {' '.join(str(error).split())}", err=True)
            sys.exit(2)

    return wrapped


def progress(items: Iterable[T], description: str, *, total: int | None = None) -> Iterator[T]:
    """Yield the items behind a progress bar on standard error, drawn only on a terminal.

    Args:
        items: What to go through.
        description: The words before the bar.
        total: How many there are, where `items` has no length.

    Yields:
        Each item.
    """
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(items, description, total=total, console=console, transient=True, disable=not console.is_terminal)
