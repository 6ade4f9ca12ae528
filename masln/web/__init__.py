"""The search page: a gallery served over HTTP, its JSON API, and a demo that needs no files (extra ``web``).

FastAPI and uvicorn are imported only when something is served.
"""

from __future__ import annotations

from masln.web.demo import Demo, make_demo
from masln.web.limits import Limits
from masln.web.live import Found, LiveGallery
from masln.web.server import address_of, bound_socket, make_server, require_web, run_server

__all__ = [
    "Demo",
    "Found",
    "Limits",
    "LiveGallery",
    "address_of",
    "bound_socket",
    "make_demo",
    "make_server",
    "require_web",
    "run_server",
]
