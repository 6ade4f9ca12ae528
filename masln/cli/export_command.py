"""``masln export``: the encoders of a run as ONNX or safetensors, with a model card."""

from __future__ import annotations

import click

from masln.cli.options import debug_option, json_option, quiet_option


@click.command()
@click.argument("run", type=click.Path())
@click.option(
    "--format",
    "format_",
    type=click.Choice(["onnx", "safetensors"]),
    required=True,
    help="onnx: graphs that need no masln (extra: export). safetensors: the model as saved, for masln.",
)
@click.option("--out", required=True, type=click.Path(), metavar="DIR", help="Folder of the export.")
@json_option
@quiet_option
@debug_option
def export(run: str, format_: str, out: str, as_json: bool, quiet: bool, debug: bool) -> None:
    """Export the image and text encoders of RUN, a directory of masln train, with their input scaling.

    DIR holds image.onnx and text.onnx, or the model as safetensors; the extractors of the run's data; export.json; and
    README.md, a model card. Each encoder is held against the model on the run's own data, to 1e-4 of the largest code
    or of 1, and nothing is left where it differs. A folder of safetensors takes the place of the run in masln encode,
    index and search.
    """
    from masln.experiments import export_run
    from masln.reporting import model_card, print_export

    print_export(export_run(run, out, format=format_, describe=model_card), as_json=as_json, quiet=quiet)
