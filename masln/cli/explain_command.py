"""``masln explain``: where in a picture each word of its text looks."""

from __future__ import annotations

from pathlib import Path

import click

from masln.cli.options import debug_option, images_option, quiet_option


@click.command()
@click.argument("run", type=click.Path())
@click.option("--pair", required=True, metavar="ID", help="Which pair of the data, by its id in pairs.csv.")
@click.option("--out", required=True, type=click.Path(), metavar="FILE", help="Such as attention.png; or .pdf, .svg.")
@images_option
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@quiet_option
@debug_option
def explain(run: str, pair: str, out: str, images: str | None, overwrite: bool, quiet: bool, debug: bool) -> None:
    """Draw which regions of a picture the words of its text look at.

    RUN is a directory of masln train or masln compare in which some method has attention (attentionmatching); its first
    class split and seed are taken. One panel a word, and their mean.
    """
    from masln.reporting import check_attention_target, draw_attention, pair_attention

    target = Path(out)
    check_attention_target(target, overwrite=overwrite)
    found = pair_attention(Path(run), pair, images=images)
    draw_attention(found, target)
    if not quiet:
        click.echo(f"{found.pair}, {found.method}: {len(found.words)} words over {found.picture}, drawn in {target}")
