"""A gallery that is served, with items whose names are hard to put into an address."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi", reason="FastAPI is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")

from masln.experiments import bundle_items, image_items, open_encoder
from masln.retrieval import build_gallery, make_backend, write_codes
from masln.web import Limits, LiveGallery
from masln.web.app import make_app
from masln.web.guard import LOOPBACK_NAMES
from tests.preparation.collection import draw
from tests.web.serving import answering

ODD_NAMES = ("a b/é #?%.png", "a b/picture", "%2F/日本 &=+.png", "'\"<b>\\.png")


@pytest.fixture(scope="session")
def served_folder(trained, tmp_path_factory):
    """Folders of a gallery and of pictures that lie in no bundle; not to be written to."""
    folder = tmp_path_factory.mktemp("served")
    encoder = open_encoder(trained.run)
    items = bundle_items(encoder, trained.bundle)
    codes = write_codes(items.collections, folder / "codes", model=encoder.facts, facts=items.facts)
    gallery = build_gallery(codes, folder / "gallery", backend=make_backend("exact"))
    for number, name in enumerate(ODD_NAMES):
        file = folder / "odd" / name
        draw(folder / "odd" / "drawn.png", colour=7, number=number)
        file.parent.mkdir(parents=True, exist_ok=True)
        (folder / "odd" / "drawn.png").rename(file if file.suffix else file.with_suffix(".png"))
    odd = image_items(encoder, folder / "odd", label="zebra")
    gallery.add(write_codes(odd.collections, folder / "odd-codes", model=encoder.facts, facts=odd.facts))
    return folder


@pytest.fixture(scope="session")
def live(served_folder):
    return LiveGallery(served_folder / "gallery")


@pytest.fixture(scope="session")
def client(live):
    """Asks a server of the gallery."""
    limits = Limits(query_characters=300, upload_bytes=1 << 20, image_pixels=1_000_000, k=50)
    with answering(make_app(live, limits=limits, hosts=LOOPBACK_NAMES)) as own:
        yield own
