"""Errors as one line of JSON with a status that fits; none tells of this machine."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from masln.errors import CheckpointError, MaslnError
from masln.web.live import LiveGallery

__all__ = ["add_error_handlers", "one_line"]

_LOG = logging.getLogger("masln.web")
_LONGEST = 500  # characters of a message; ours


def one_line(message: str) -> str:
    """A message without line breaks, and not longer than a person reads."""
    line = " ".join(message.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def add_error_handlers(app: FastAPI, live: LiveGallery) -> None:
    """Let every error of an application be one line of JSON."""

    def answer(status: int, message: str, headers: Any = None) -> JSONResponse:
        return JSONResponse({"error": one_line(message)}, status, headers)

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> JSONResponse:
        return answer(error.status_code, _PLAIN.get(str(error.detail), str(error.detail)), error.headers)

    @app.exception_handler(RequestValidationError)
    async def of_validation(request: Request, error: RequestValidationError) -> JSONResponse:
        problems = error.errors()
        if any(own["type"] == "model_attributes_type" and isinstance(own["input"], bytes) for own in problems):
            return answer(415, "send the body as application/json")
        return answer(422, "; ".join(map(_told, problems[:3])))

    @app.exception_handler(MaslnError)
    async def of_masln(request: Request, error: MaslnError) -> JSONResponse:
        if isinstance(error, CheckpointError):
            _LOG.error("%s", one_line(str(error)))
            return answer(503, "the gallery cannot be read at the moment; the server's log says why")
        return answer(400, live.without_paths(str(error)))

    @app.exception_handler(Exception)
    async def of_anything(request: Request, error: Exception) -> JSONResponse:
        return answer(500, "the server failed; its log says why")  # which has the traceback, from uvicorn


_PLAIN = {
    "Not Found": "there is nothing at this address; /docs lists what there is",
    "Method Not Allowed": "this address takes another method; /docs lists which",
    "There was an error parsing the body": "the body is not JSON in UTF-8",
}


def _told(problem: Any) -> str:
    if problem["type"] == "json_invalid":
        return f"the body is not JSON: {problem['ctx']['error']} at character {problem['loc'][-1]}"
    where: Sequence[Any] = [part for part in problem["loc"] if part not in ("body", "query", "path")]
    return ": ".join(filter(None, (".".join(map(str, where)), problem["msg"])))
