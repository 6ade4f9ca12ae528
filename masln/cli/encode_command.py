"""``masln encode``: raw pictures and texts to codes of a run's model."""

from __future__ import annotations

from typing import Any

import click

from masln.cli.encoding import encode_to, item_options
from masln.cli.options import debug_option, json_option, quiet_option


@click.command()
@click.argument("run", type=click.Path())
@item_options
@click.option("--out", required=True, type=click.Path(), metavar="CODES", help="Folder of the codes.")
@json_option
@quiet_option
@debug_option
def encode(*, debug: bool, **options: Any) -> None:
    """Encode pictures, texts or a bundle by the model of RUN, a directory of masln train.

    Raw files go through the extractors that the run's data was prepared with. CODES holds image.npy or text.npy or
    both, to be memory-mapped, a line of JSON for each row (image.jsonl, text.jsonl), and codes.json. A run that was
    killed goes on where it stopped when the same command is given again.
    """
    encode_to(**options)
