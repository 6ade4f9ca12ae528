"""The ``masln`` command group: loads a command's file when it is called, prints errors as one line."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module

import click

from masln._version import __version__
from masln.errors import MaslnError, unknown_name

__all__ = ["cli", "main"]

#: Command name to its one-line help; the command itself is the function of that name in masln.cli.<name>_command.
COMMANDS = {
    "ablate": "Switch off the losses and parts of MASLN, one at a time.",
    "compare": "Run many methods under one protocol and print one table.",
    "data": "List, fetch, describe, check and show datasets.",
    "encode": "Encode pictures and texts by the model of a run.",
    "evaluate": "Repeat the figures of a saved run.",
    "explain": "Draw which regions of a picture the words of its text look at.",
    "export": "Write the encoders of a run as ONNX or safetensors, with a model card.",
    "index": "Build galleries, add to them, remove from them.",
    "methods": "List the methods and their hyper-parameters.",
    "prepare": "Make a bundle of your own pictures and texts.",
    "report": "Make a page, or tables, of runs that are on disk.",
    "reproduce": "Run a published table and print ours beside its figures.",
    "search": "Find pictures by text and texts by picture in a gallery.",
    "serve": "Serve a gallery as a page, with a JSON API.",
    "train": "Train a method and print its figures beside CCA and chance.",
}


class LazyGroup(click.Group):
    """Knows its commands by name; ``masln --help`` imports none of them (torch alone takes two seconds)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's file."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"masln.cli.{cmd_name}_command"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when an unknown one is asked for."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(unknown_name("command", args[0], COMMANDS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List commands with their help, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, prog_name="masln")
def cli() -> None:
    """Extendable (zero-shot) cross-modal retrieval: MASLN, its baselines, and one protocol to compare them."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a masln error is one line on standard error and exit code 2.

    Tracebacks are shown with ``--debug`` anywhere in the arguments of a command that has it.
    """
    # Two threads that spin at every barrier of a small network stall when another program takes a core: 11 times
    # slower, measured. Waiting passively costs nothing; it must be set before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    given = sys.argv[1:] if arguments is None else arguments
    if "--debug" not in given:
        # Pillow warns of large and of odd pictures, on lines of their own; what matters of it is an error of ours.
        warnings.filterwarnings("ignore", module="PIL")
    try:
        cli.main(args=given, prog_name="masln", standalone_mode=True)
    except MaslnError as error:
        if "--debug" in given:
            raise
        click.echo(f"Error: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
