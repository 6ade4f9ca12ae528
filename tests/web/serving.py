"""A real server in a thread, on a free port of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import httpx

from masln.web import address_of, bound_socket, make_server


@contextmanager
def answering(app: Any) -> Iterator[httpx.Client]:
    """Serve an application while the block runs; gives a client of it, which asks no proxy."""
    server = make_server(app)
    with bound_socket("127.0.0.1", 0) as bound:
        bound.listen()
        thread = Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            with httpx.Client(base_url=address_of(bound), trust_env=False, timeout=60) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()
