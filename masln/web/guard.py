"""What stands before the application: the Host header, how long a body may be, and the headers of every answer."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from masln.web.limits import Limits

__all__ = ["LOOPBACK_NAMES", "Guard", "is_loopback"]

#: Hosts that a server on the loopback interface is asked by.
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_HEADERS = {
    "content-security-policy": "default-src 'none'; img-src 'self' blob:; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
# So much of a body that is too long is read and dropped: a client that is cut off while it sends sees a broken
# connection and no answer.
_DROPPED_BYTES = 256 << 20  # ours


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Wraps an application, errors of its own included.

    Args:
        app: The application.
        limits: Of bodies.
        hosts: What the Host header may name, ports aside; None for anything. A page of another site that has its name
            point to 127.0.0.1 (DNS rebinding) asks by that name, and is refused.
    """

    def __init__(self, app: ASGIApp, *, limits: Limits, hosts: Collection[str] | None) -> None:
        self.app, self.limits = app, limits
        self.hosts = None if hosts is None else frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        if self.hosts is not None and _host(scope) not in self.hosts:
            refusal = JSONResponse({"error": "this server is not called by that name; use its address"}, 400)
            await refusal(scope, receive, send_with_headers)
            return
        most = self.limits.body_bytes(scope["path"])
        await self.app(_with_encoded_ids(scope), _limited(receive, most), send_with_headers)


def _host(scope: Scope) -> str:
    name = Headers(scope=scope).get("host", "").lower()
    return name.partition("]")[0] + "]" if name.startswith("[") else name.partition(":")[0]


def _with_encoded_ids(scope: Scope) -> Scope:
    """The path of an item as it was sent: an id may hold slashes, which only their encoding tells from the path's."""
    if not scope["path"].startswith("/api/items/"):
        return scope
    return {**scope, "path": scope["raw_path"].decode("ascii", "replace")}


def _limited(receive: Receive, most: int) -> Receive:
    """Bodies counted as they come, whatever their head says of them."""
    taken = 0

    async def receive_limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken <= most:
            return message
        while message.get("more_body") and taken < most + _DROPPED_BYTES:
            message = await receive()
            taken += len(message.get("body", b""))
        raise HTTPException(413, f"the request has more than {most:,} bytes; send less")

    return receive_limited
