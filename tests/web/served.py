"""A gallery served on this machine, and a browser that looks at it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from masln.web import Limits, LiveGallery, address_of, bound_socket


@contextmanager
def served(live: LiveGallery, *, limits: Limits | None = None, demo: bool = False) -> Iterator[str]:
    """The address of the real server, which runs in a thread meanwhile."""
    import uvicorn

    from masln.web.app import make_app

    with bound_socket("127.0.0.1", 0) as bound:
        app = make_app(live, limits=limits, hosts=["127.0.0.1"], demo=demo)
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False))
        bound.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            yield address_of(bound)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def chromium() -> Iterator:
    """The machine's Chromium, driven by Playwright; skips the test where either is missing."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium or chrome on this machine")
    playwright.expect.set_options(timeout=60_000)  # the machine may be busy; nothing waits longer than it must
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
