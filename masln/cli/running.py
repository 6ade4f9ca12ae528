"""What the commands that train share: their options, and which of them were written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from masln.cli.options import Decorator, debug_option, json_option, quiet_option, search_option

__all__ = ["run_options", "written"]

_RUN_OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "--split",
        "setting",
        type=click.Choice(["seen_unseen", "generalized", "standard"]),
        default="seen_unseen",
        help="Setting of the evaluation protocol.",
    ),
    click.option(
        "--class-split",
        default="random",
        metavar="RULE",
        help="random, parity, parity-odd or listed:FILE.",
    ),
    click.option("--unseen-share", type=float, default=0.5, help="Share of unseen classes of a random split."),
    click.option("--gallery", type=click.Choice(["test", "train"]), default="test", help="Items that are searched."),
    click.option(
        "--normalize", type=click.Choice(["none", "block"]), default="none", help="block looks at the whole query set."
    ),
    click.option(
        "--relevance",
        type=click.Choice(["class", "instance", "shared-label"]),
        default="class",
        help="What counts as found: an item of the query's class, its own pair, or, in data with label sets, any item "
        "that shares a label with it.",
    ),
    click.option("--seed", type=click.IntRange(min=0), default=0, help="First seed of class splits and methods."),
    click.option("--seeds", type=click.IntRange(min=1), default=1, help="Seeds of the method on each split."),
    click.option(
        "--budget",
        type=click.IntRange(min=0),
        default=0,
        help="Configurations that each method may try on validation classes.  0: the plain search space, whole.",
    ),
    search_option,
    click.option(
        "--config",
        metavar="FILE",
        help="YAML or JSON, or the name of published settings such as sae_kodirov2017; options given here win.",
    ),
    click.option("--out", type=click.Path(), help="Run directory.  [default: runs/DATA-METHOD-SETTING-TIME]"),
    click.option("--resume", is_flag=True, help="Go on with the run in --out, by its saved configuration."),
    click.option("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps."),
    click.option(
        "--precision",
        type=click.Choice(["fp32", "bf16"]),
        default="fp32",
        help="bf16 autocasts each step; a CPU without bf16 arithmetic (AMX, AVX512-BF16) takes longer by it.",
    ),
    json_option,
    quiet_option,
    debug_option,
)


def run_options(*, several: bool = False, select: bool = True, baselines: str = "cca,chance") -> Decorator:
    """The options that say what is run, on what, under which protocol, and where it goes.

    Args:
        several: Whether there may be several datasets.
        select: Whether methods choose on validation classes unless it is said.
        baselines: Rows beside the method unless it is said.
    """
    data: Decorator = click.option(
        "--data",
        default=("emoji",) if several else "emoji",
        multiple=several,
        help="Bundled name, or the folder of a bundle." + " Repeatable: a table each." * several,
    )

    choice: Decorator = click.option(
        "--select/--no-select", default=select, help="Choose on validation classes, then fit on all seen ones."
    )
    beside: Decorator = click.option(
        "--baselines", default=baselines, metavar="NAMES", help="Rows beside the method; '' for none."
    )

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed((data, choice, beside, *_RUN_OPTIONS)):
            command = option(command)
        return command

    return with_options


def written(ctx: click.Context) -> set[str]:
    """Python names of the options that the user wrote; only these override a configuration file.

    Raises:
        UsageError: ``--resume`` without ``--out``.
    """
    if ctx.params["resume"] and not ctx.params["out"]:
        raise click.UsageError("--resume needs --out, the directory of the run to go on with")
    defaults = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
    return {name for name in ctx.params if ctx.get_parameter_source(name) not in defaults}
