"""``masln serve``: a gallery as a page."""

from __future__ import annotations

import click

from masln.cli.options import debug_option, quiet_option


@click.command()
@click.argument("gallery", type=click.Path(), required=False)
@click.option("--demo", is_flag=True, help="Serve the bundled emoji, by a run that is trained first, in half a minute.")
@click.option("--host", default="127.0.0.1", help="Where to listen; 0.0.0.0 lets other machines ask.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, help="0 takes a free one.")  # ours
@click.option(
    "--allow-host", "hosts", multiple=True, metavar="NAME", help="A name that a proxy asks by; may be repeated."
)
@click.option("--run", type=click.Path(), help="Where the gallery's run is now.  [default: as the gallery says]")
@click.option("--cache", type=click.Path(), metavar="DIR", help="Where the demo is kept.  [default: the user's cache]")
@click.option("--most-k", type=int, metavar="N", help="Items that a query may ask for.")
@click.option("--most-characters", type=int, metavar="N", help="Of a text that is asked with.")
@click.option("--most-bytes", type=int, metavar="N", help="Of a picture that is sent.")
@click.option("--most-pixels", type=int, metavar="N", help="Of a picture that is sent.")
@quiet_option
@debug_option
def serve(
    gallery: str | None,
    demo: bool,
    host: str,
    port: int,
    hosts: tuple[str, ...],
    run: str | None,
    cache: str | None,
    most_k: int | None,
    most_characters: int | None,
    most_bytes: int | None,
    most_pixels: int | None,
    quiet: bool,
    debug: bool,
) -> None:
    """Serve GALLERY as a page to search in, with a JSON API; Ctrl-C ends it.

    It listens on this machine alone unless --host says otherwise, and asks nobody who they are. A gallery that is
    changed meanwhile by masln index is shown as it is now.
    """
    from masln.errors import ConfigError
    from masln.web import Limits, LiveGallery, address_of, bound_socket, make_demo, require_web, run_server

    if (gallery is None) != demo:
        raise ConfigError("give a GALLERY, as masln index build makes it, or --demo")
    if demo and run is not None:
        raise ConfigError("the demo has a run of its own; leave --run out")
    if cache is not None and not demo:
        raise ConfigError("--cache is where the demo is kept; leave it out")
    require_web()
    asked = {
        "k": most_k,
        "query_characters": most_characters,
        "upload_bytes": most_bytes,
        "image_pixels": most_pixels,
    }
    limits = Limits(**{name: value for name, value in asked.items() if value is not None})
    with bound_socket(host, port) as bound:
        from masln.web.app import make_app
        from masln.web.guard import LOOPBACK_NAMES, is_loopback

        if gallery is None:
            made = make_demo(cache, progress=not quiet)
            live = LiveGallery(made.gallery, run=made.run)
        else:
            live = LiveGallery(gallery, run=run)
        names = [*LOOPBACK_NAMES, host, *hosts] if is_loopback(host) or hosts else None
        app = make_app(live, limits=limits, hosts=names, demo=demo)
        bound.listen()
        click.echo(f"serving {live.folder} at {address_of(bound)} (Ctrl-C ends it)")
        run_server(app, bound)
