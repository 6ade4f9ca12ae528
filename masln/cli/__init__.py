"""The command line: one file a command, imported only when its command runs."""

from __future__ import annotations

from masln.cli.group import cli, main

__all__ = ["cli", "main"]
