"""Clients of Milvus, one a process and address, and its errors in our words."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from masln.errors import CheckpointError

__all__ = ["answering", "client_of", "close_client"]

_SECONDS = 10.0  # ours: in which a server must answer a first call
_LOGGERS = ("pymilvus", "milvus_lite", "grpc")
_lock = threading.Lock()


@dataclass
class _Opened:
    """A client, its collections that are loaded, and what an embedded database's lock file was when it was opened."""

    client: Any
    file: os.stat_result | None
    loaded: set[str] = field(default_factory=set)


_open: dict[str, _Opened] = {}


def client_of(where: str, *, token: str = "", collection: str = "") -> Any:
    """The client of a server, or of the database in a folder, which is opened when it is not open here.

    Args:
        where: Address, or folder.
        token: Of the server.
        collection: To be loaded for searches; empty for none.

    Raises:
        CheckpointError: another process has the database open.
        MilvusException: the server does not answer.
    """
    from pymilvus import MilvusClient

    with _lock:
        if where in _open and not _is_still(where, _open[where].file):
            _close(where)  # the folder was deleted and made anew
        if where not in _open:
            for name in _LOGGERS:  # they print tracebacks of what they raise too
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
            if "://" in where or where.startswith("unix:"):
                _open[where] = _Opened(MilvusClient(where, token=token, timeout=_SECONDS), None)
            else:
                client = MilvusClient(_started(where), timeout=_SECONDS)
                _open[where] = _Opened(client, os.stat(Path(where) / "LOCK"))
        opened = _open[where]
        if collection and collection not in opened.loaded:
            opened.client.load_collection(collection)
            opened.loaded.add(collection)
        return opened.client


def close_client(where: str) -> None:
    """Close the client of an address, and end an embedded database; nothing where none is open."""
    with _lock:
        if where in _open:
            _close(where)


@contextmanager
def answering(where: str, *, embedded: bool) -> Iterator[None]:
    """Raise what Milvus raises as one line.

    Raises:
        CheckpointError: it does not answer, or refuses.
    """
    from pymilvus import MilvusException

    try:
        yield
    except MilvusException as error:
        reason = " ".join(str(error.message or error).split())[:200]
        advice = "build the gallery again" if embedded else "see that the server is there and knows the gallery"
        raise CheckpointError(f"Milvus at {where}: {reason}; {advice}") from error


def _is_still(where: str, opened: os.stat_result | None) -> bool:
    try:
        return opened is None or os.path.samestat(os.stat(Path(where) / "LOCK"), opened)
    except OSError:
        return False


def _close(where: str) -> None:
    opened = _open.pop(where)
    with suppress(Exception):  # it is let go of, whatever it says
        opened.client.close()
    if opened.file is not None:
        from milvus_lite.server_manager import server_manager_instance

        server_manager_instance.release_server(where)


def _started(where: str) -> str:
    """Open the database of a folder and serve it on this machine, to this process."""
    from milvus_lite.server_manager import server_manager_instance

    told = _LastError()
    logger = logging.getLogger("milvus_lite.server_manager")
    logger.setLevel(logging.ERROR)
    logger.addHandler(told)
    propagates, logger.propagate = logger.propagate, False
    try:
        address: str | None = server_manager_instance.start_and_get_uri(where)
    finally:
        logger.removeHandler(told)
        logger.propagate = propagates
        logger.setLevel(logging.NOTSET)
    if address is None:
        if type(told.error).__name__ == "DataDirLockedError":
            raise CheckpointError(
                f"another process has {where} open, and an embedded Milvus serves one at a time; wait for it or end "
                "it, or build the gallery on a server by --set uri=http://HOST:19530"
            ) from told.error
        raise CheckpointError(f"{where} cannot be opened ({told.error}); build the gallery again") from told.error
    return address


class _LastError(logging.Handler):
    """Keeps the error that a library reports by a log line alone."""

    error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler``."""
        self.error = record.exc_info[1] if record.exc_info else None
