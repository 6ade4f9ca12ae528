"""The table that ``masln compare`` prints."""

from __future__ import annotations

import json
from typing import Any

from masln.errors import ConfigError, unknown_name
from masln.experiments import Experiment, comparison_rows
from masln.experiments.record import GENERALIZED
from masln.reporting.experiments import (
    INSTANCE_NOTE,
    P_NOTE,
    experiment_facts,
    experiment_remarks,
    experiment_title,
    shown_row,
)
from masln.reporting.tables import print_table

__all__ = ["COST_NOTE", "comparison_cells", "print_comparison"]


def print_comparison(
    experiment: Experiment, *, parts: str | None = None, as_json: bool = False, quiet: bool = False
) -> None:
    """Print a row a part and method, the best first within a part, or everything as JSON.

    Args:
        experiment: Its runs had processes of their own, so that their memory is known.
        parts: Names parted by commas; by default those that the setting is about.
        as_json: Print JSON, of all parts unless some are named.
        quiet: Leave the notes out.

    Raises:
        ConfigError: there is no such part.
    """
    rows = comparison_rows(experiment)
    known = list(dict.fromkeys(row["part"] for row in rows))
    wanted = known if parts is None else [part.strip() for part in parts.split(",")]
    if unknown := [part for part in wanted if part not in known]:
        raise ConfigError(unknown_name("part", unknown[0], known))
    if parts is None and not as_json and experiment.config.protocol.setting == "seen_unseen":
        wanted = [part for part in known if part != "harmonic" and not part.startswith(GENERALIZED)]
    rows = [row for part in wanted for row in rows if row["part"] == part]
    if as_json:
        print(json.dumps(experiment_facts(experiment) | {"rows": rows, "failed": experiment.failed}, indent=1))
        return
    instance = [INSTANCE_NOTE] * (experiment.config.protocol.relevance == "instance")
    notes = [] if quiet else [P_NOTE, COST_NOTE, *instance, *experiment_remarks(experiment)]
    print_table([comparison_cells(row) for row in rows], title=experiment_title(experiment), notes=notes)


COST_NOTE = (
    "time: of the processor, mean of a run with its selection on validation classes; "
    "memory: most that the process of a run held, Python and its libraries included."
)


def comparison_cells(row: dict[str, Any]) -> dict[str, Any]:
    """The cells of one row of ``comparison_rows``."""
    memory = row["peak_memory"]
    cells = shown_row(row)
    cells["time"] = f"{row['processor_seconds']:.1f} s"
    cells["memory"] = None if memory is None else f"{memory / 2**20:,.0f} MiB"
    return cells
