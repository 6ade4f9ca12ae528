"""Milvus (extra ``milvus``): an embedded database in the gallery's folder, or a cluster by its URI."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import numpy as np

from masln.errors import CheckpointError, ConfigError, MissingExtraError, unknown_name
from masln.retrieval.backend import Allowed, Backend, Labels, Rows, Scores
from masln.retrieval.milvus_client import answering, client_of, close_client
from masln.retrieval.parts import rescored, rows_from
from masln.retrieval.top_k import Part, exact_top_k
from masln.saving import write_atomically

__all__ = ["Milvus"]

EMBEDDED = "milvus.db"
TOKEN = "MASLN_MILVUS_TOKEN"
INDEXES = {"flat": "FLAT", "hnsw": "HNSW"}
_SCHEMES = ("http", "https", "tcp", "unix")
_VALUES = 1 << 21  # ours: numbers sent at once, 8 MB; a server takes 64 MB
_MOST_ROWS = 2000  # ours
_MOST_QUERIES = 256  # ours: asked at once
_MOST_FOUND = 16_384  # Milvus gives no more of one query
_MOST_GONE = 50_000  # ours: removed rows in one filter expression; beyond it the exact search is taken


@dataclass(frozen=True)
class _Stored:
    """What the index file says: a collection, and which parts of it count; what a kill left there is none of them."""

    collection: str
    parts: tuple[int, ...]

    @classmethod
    def read(cls, file: Path) -> _Stored:
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            return cls(str(values["collection"]), tuple(int(part) for part in values["parts"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{file} cannot be read ({error}); build the gallery again") from error

    def write(self, file: Path) -> None:
        text = json.dumps({"collection": self.collection, "parts": list(self.parts)}, indent=1)
        write_atomically(file, (text + "\n").encode())


class Milvus(Backend):
    """A collection of Milvus by inner product, one a modality; what it finds is scored again with the exact vectors.

    A row carries the number of the call that added it, drawn at random. The index file names the calls that count, and
    a search filters by them, so that a kill in the middle changes no answer.

    Args:
        uri: Of a server, such as ``http://HOST:19530``; empty for an embedded one in the gallery's folder, which one
            process at a time can have open. A token, or ``USER:PASSWORD``, is read from ``MASLN_MILVUS_TOKEN``.
        index: ``hnsw`` (a graph, Malkov and Yashunin, TPAMI 2020) or ``flat`` (all vectors).
        links: Of a vector in the graph.
        construction: Candidates looked at while the graph is built.
        effort: Candidates looked at in a search of the graph.
    """

    name: ClassVar[str] = "milvus"
    keeps: ClassVar[frozenset[str]] = frozenset({EMBEDDED})

    def __init__(
        self,
        *,
        uri: str = "",
        index: str = "hnsw",
        links: int = 32,  # ours, as of faiss
        construction: int = 200,  # ours, as of faiss
        effort: int = 128,  # ours, as of faiss
    ) -> None:
        self.uri = uri
        self.index = index
        self.links = links
        self.construction = construction
        self.effort = effort

    def check(self) -> None:
        """See the base."""
        super().check()
        if self.index not in INDEXES:
            raise ConfigError(unknown_name("index of the backend milvus", self.index, INDEXES))
        for name, least in (("links", 2), ("construction", 1), ("effort", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} of the backend milvus must be at least {least}, got {getattr(self, name)}")
        if self.uri:
            address = urlsplit(self.uri)
            if address.scheme not in _SCHEMES:
                raise ConfigError(f"uri={self.uri} is no address of a server, such as http://HOST:19530; mend it")
            if "@" in address.netloc:
                raise ConfigError(f"the uri is written into the gallery: leave user and password out, set {TOKEN}")
        for package in ("pymilvus",) if self.uri else ("pymilvus", "milvus_lite"):
            if find_spec(package) is None:
                raise MissingExtraError(package.replace("_", "-"), "milvus", "the backend milvus")

    def write(self, parts: Sequence[Part], file: Path, *, labels: Labels, previous: Path | None, added: int) -> bool:
        """See the base."""
        before = None if previous is None else _Stored.read(previous)
        number = secrets.randbits(62)
        total, width = sum(map(len, parts)), parts[0].vectors.shape[1]
        with self._client(file.parent) as client:
            modality = file.stem.rsplit("-", 1)[0]
            name = f"masln_{secrets.token_hex(8)}_{modality}" if before is None else before.collection
            # Before the rows: whoever finds this file and no manifest that names it knows what to delete.
            _Stored(name, (*(() if before is None else before.parts), number)).write(file)
            if before is None:
                self._create(client, name, width)
            block = max(min(_VALUES // width, _MOST_ROWS), 1)
            for first, vectors in rows_from(parts, total - added, block=block):
                rows = range(first, first + len(vectors))
                own = zip(rows, labels[rows.start : rows.stop].tolist(), vectors, strict=True)
                client.insert(name, [{"row": r, "part": number, "label": c, "vector": v} for r, c, v in own])
            client.flush(name)
        if not self.uri:
            _sync(file.parent / EMBEDDED)
        return True

    def search(
        self, queries: Scores, parts: Sequence[Part], k: int, *, allowed: Allowed | None, file: Path | None
    ) -> tuple[Rows, Scores]:
        """See the base."""
        total = sum(map(len, parts))
        mask = None if allowed is None else allowed.rows
        wanted = min(k, total if mask is None else int(mask.sum()))
        gone = 0 if allowed is None else len(allowed.gone)
        if file is None or not wanted or wanted > _MOST_FOUND or gone > _MOST_GONE:
            return exact_top_k(queries, parts, k, allowed=mask)
        found = np.full((len(queries), wanted), -1, dtype=np.int64)
        stored = _Stored.read(file)
        with self._client(file.parent, stored.collection) as client:
            for start in range(0, len(queries), _MOST_QUERIES):
                answers = client.search(
                    stored.collection,
                    list(np.ascontiguousarray(queries[start : start + _MOST_QUERIES])),
                    filter=_expression(stored, allowed),
                    limit=wanted,
                    output_fields=["row"],
                    search_params={"metric_type": "IP", "params": self._effort(wanted)},
                    anns_field="vector",
                )
                for query, hits in enumerate(answers, start):
                    numbers = [hit["entity"]["row"] for hit in hits]
                    found[query, : len(numbers)] = numbers
        rows, scores = rescored(queries, parts, found, k)
        short = (rows[:, wanted - 1] < 0).nonzero()[0]  # where a filter leaves few rows, a graph may miss some
        if len(short):
            rows[short], scores[short] = exact_top_k(queries[short], parts, k, allowed=mask)
        return rows, scores

    def discard(self, file: Path, *, named: Sequence[Path]) -> None:
        """See the base."""
        own = _Stored.read(file)
        others = [other for other in map(_Stored.read, named) if other.collection == own.collection]
        left = sorted(set(own.parts).difference(*(other.parts for other in others)))
        if not left or not (self.uri or (file.parent / EMBEDDED).is_dir()):
            return
        with self._client(file.parent) as client:
            if not client.has_collection(own.collection):
                return
            if others:
                client.load_collection(own.collection)
                client.delete(own.collection, filter=f"part in {left}")
            else:
                client.drop_collection(own.collection)

    def close(self, folder: Path) -> None:
        """See the base."""
        close_client(self._where(folder))

    def _where(self, folder: Path) -> str:
        return self.uri or str((folder / EMBEDDED).absolute())

    @contextmanager
    def _client(self, folder: Path, collection: str = "") -> Iterator[Any]:
        self.check()
        where = self._where(folder)
        with answering(where, embedded=not self.uri):
            yield client_of(where, token=os.environ.get(TOKEN, ""), collection=collection)

    def _create(self, client: Any, name: str, width: int) -> None:
        from pymilvus import DataType

        schema = client.create_schema(auto_id=True, enable_dynamic_field=False)
        schema.add_field("key", DataType.INT64, is_primary=True)
        for field in ("row", "part", "label"):
            schema.add_field(field, DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=width)
        parameters = {"M": self.links, "efConstruction": self.construction} if self.index == "hnsw" else {}
        index = client.prepare_index_params()
        index.add_index("vector", index_type=INDEXES[self.index], metric_type="IP", params=parameters)
        client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")

    def _effort(self, wanted: int) -> dict[str, int]:
        return {"ef": max(self.effort, wanted)} if self.index == "hnsw" else {}


def _expression(stored: _Stored, allowed: Allowed | None) -> str:
    """What may be found, as a filter of Milvus; literals, as the embedded one knows no templates."""
    told = [f"part in {list(stored.parts)}"]
    if allowed is not None and allowed.labels:
        told.append(f"label in {list(allowed.labels)}")
    if allowed is not None and len(allowed.gone):
        told.append(f"row not in {allowed.gone.tolist()}")
    return " and ".join(told)


def _sync(folder: Path) -> None:
    """Wait until the files of the embedded database are on disk, which itself waits for some of them only."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
