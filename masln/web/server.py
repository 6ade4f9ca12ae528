"""The server: an address on this machine, one process, ended by Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from masln.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    import uvicorn

__all__ = ["address_of", "bound_socket", "make_server", "require_web", "run_server"]

_PACKAGES = {"fastapi": "fastapi", "uvicorn": "uvicorn", "python_multipart": "python-multipart", "PIL": "pillow"}
_SECONDS_TO_END = 5  # that a request under way has when the server is ended; ours


def require_web() -> None:
    """Find before any work whether what a server needs is installed.

    Raises:
        MissingExtraError: something is not.
    """
    for module, package in _PACKAGES.items():
        if find_spec(module) is None:
            raise MissingExtraError(package, "web", "masln serve")


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket at an address, which answers nobody yet.

    Args:
        host: Address or name.
        port: 0 for a free one.

    Raises:
        ConfigError: another program has the port, or there is no such address here.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        try:
            if hasattr(socket, "SO_REUSEPORT"):  # on Windows reuse would take a port from another program
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
        except BaseException:
            made.close()
            raise
    except OSError as error:
        advice = "choose another --port, or 0 for a free one" if port else "choose another --host"
        raise ConfigError(f"cannot serve at {host}:{port} ({error.strerror or error}); {advice}") from error
    return made


def address_of(bound: socket.socket) -> str:
    """Its URL."""
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def make_server(app: Any) -> uvicorn.Server:
    """Uvicorn around an application; ``run(sockets=[...])`` answers until ``should_exit`` is set."""
    import uvicorn

    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SECONDS_TO_END,
    )
    return uvicorn.Server(config)


def run_server(app: Any, bound: socket.socket) -> None:
    """Answer requests until Ctrl-C or SIGTERM; those under way are answered first."""
    server = make_server(app)
    with _ended_by_signals():
        server.run(sockets=[bound])


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Uvicorn raises the signal that ended it once more, which would end the program with an error."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
