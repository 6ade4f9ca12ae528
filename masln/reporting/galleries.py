"""What ``masln encode``, ``masln index`` and ``masln search`` print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from masln.reporting.tables import print_table

if TYPE_CHECKING:
    from masln.retrieval import Codes

__all__ = ["print_codes"]


def print_codes(
    codes: Codes, out: str, *, notes: Sequence[str] = (), as_json: bool = False, quiet: bool = False
) -> None:
    """Print what a folder of codes holds.

    Args:
        codes: As read back.
        out: The folder, as it was asked for.
        notes: What a person should know.
        as_json: Print one JSON object instead.
        quiet: Print the table alone.
    """
    rows = [
        {"modality": name, "codes": len(own.values), "width": own.values.shape[1]} for name, own in codes.sets.items()
    ]
    if as_json:
        value = {"codes": out, "model": codes.model.to_dict(), "sets": rows}
        print(json.dumps(value | {"notes": list(notes), "skipped": list(codes.skipped)}, indent=1))
        return
    lines = [*notes]
    if codes.skipped:
        lines.append(f"{len(codes.skipped)} items were skipped, the first {codes.skipped[0]}; codes.json lists them")
    lines.append(f"codes: {out}, by {codes.model.method} (model {codes.model.hash[:12]}) of {codes.model.run}")
    print_table(rows, notes=() if quiet else lines)
