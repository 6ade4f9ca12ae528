"""FAISS (extra ``index``): flat, HNSW, and product quantisation behind an inverted file, over a gallery's vectors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from masln.errors import CheckpointError, ConfigError, MissingExtraError, unknown_name
from masln.retrieval.backend import Allowed, Backend, Labels, Rows, Scores
from masln.retrieval.parts import rescored, rows_from, taken
from masln.retrieval.top_k import Part, exact_top_k

__all__ = ["Faiss"]

KINDS = ("flat", "hnsw", "ivfpq")
_BLOCK = 1 << 16  # ours: vectors added at once
_PER_CELL = 39  # below it faiss itself warns that the cells of an inverted file are too many
_CODEWORDS = 256  # of 8 bits
_TRAINED_ON = 256  # vectors a cell, at most, as faiss itself samples
_FEW = 0.1  # ours: where fewer of the rows are allowed, a graph or a few cells find too few of them


class Faiss(Backend):
    """An index of the FAISS library, by inner product; what it finds is scored again with the exact vectors.

    Args:
        index: ``flat`` (all vectors), ``hnsw`` (a graph, Malkov and Yashunin, TPAMI 2020) or ``ivfpq`` (product
            quantisation behind an inverted file, Jegou et al., TPAMI 2011).
        links: Of a vector in the graph.
        construction: Candidates looked at while the graph is built.
        effort: Candidates looked at in a search of the graph.
        cells: Of the inverted file; 0 for 4 sqrt(n), as FAISS advises, or fewer where there are few vectors.
        probes: Cells looked at in a search.
        subvectors: Parts that a vector is quantised in; 0 for the largest divisor of its width up to half of it.
        candidates: So many times k are found and scored again exactly, by ``ivfpq``.
    """

    name: ClassVar[str] = "faiss"

    def __init__(
        self,
        *,
        index: str = "hnsw",
        links: int = 32,  # FAISS's own
        construction: int = 200,  # as the authors' experiments; FAISS has 40
        effort: int = 128,  # ours
        cells: int = 0,
        probes: int = 32,  # ours
        subvectors: int = 0,
        candidates: int = 10,  # ours
    ) -> None:
        self.index = index
        self.links = links
        self.construction = construction
        self.effort = effort
        self.cells = cells
        self.probes = probes
        self.subvectors = subvectors
        self.candidates = candidates

    def check(self) -> None:
        """See the base."""
        super().check()
        if self.index not in KINDS:
            raise ConfigError(unknown_name("index of the backend faiss", self.index, KINDS))
        for name, least in (("links", 2), ("construction", 1), ("effort", 1), ("probes", 1), ("candidates", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} of the backend faiss must be at least {least}, got {getattr(self, name)}")
        for name in ("cells", "subvectors"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} of the backend faiss must not be negative, got {getattr(self, name)}")
        if find_spec("faiss") is None:
            raise MissingExtraError("faiss-cpu", "index", "the backend faiss")

    def write(self, parts: Sequence[Part], file: Path, *, labels: Labels, previous: Path | None, added: int) -> bool:
        """See the base."""
        faiss = _library()
        self.check()
        if previous is None:
            index = self._made(parts)
            first = 0
        else:
            index = _read(previous)
            first = sum(map(len, parts)) - added
        for _, block in rows_from(parts, first, block=_BLOCK):
            index.add(block)
        try:
            faiss.write_index(index, str(file))
        except RuntimeError as error:
            raise OSError(str(error).splitlines()[0]) from error
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
        self._kept = (str(file), index)
        return True

    def search(
        self, queries: Scores, parts: Sequence[Part], k: int, *, allowed: Allowed | None, file: Path | None
    ) -> tuple[Rows, Scores]:
        """See the base."""
        self.check()
        faiss = _library()
        total = sum(map(len, parts))
        mask = None if allowed is None else allowed.rows
        if file is None or (mask is not None and mask.mean() < _FEW):
            return exact_top_k(queries, parts, k, allowed=mask)
        kept = getattr(self, "_kept", None)
        if kept is None or kept[0] != str(file):
            kept = self._kept = (str(file), _read(file))
        chosen = None if mask is None else faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
        wanted = min(k * (self.candidates if self.index == "ivfpq" else 1), total)
        found = kept[1].search(queries, wanted, params=self._parameters(chosen))[1].astype(np.int64)
        return rescored(queries, parts, found, k)

    def _parameters(self, chosen: Any) -> Any:
        faiss = _library()
        if self.index == "flat":
            return faiss.SearchParameters(sel=chosen)
        if self.index == "hnsw":
            return faiss.SearchParametersHNSW(sel=chosen, efSearch=self.effort)
        return faiss.SearchParametersIVF(sel=chosen, nprobe=self.probes)

    def _made(self, parts: Sequence[Part]) -> Any:
        faiss = _library()
        width, total = parts[0].vectors.shape[1], sum(map(len, parts))
        metric = faiss.METRIC_INNER_PRODUCT
        if self.index == "flat":
            return faiss.IndexFlat(width, metric)
        if self.index == "hnsw":
            graph = faiss.IndexHNSWFlat(width, self.links, metric)
            graph.hnsw.efConstruction = self.construction
            return graph
        if total < _CODEWORDS:
            raise ConfigError(f"an ivfpq index learns from {_CODEWORDS} vectors or more, not {total}; take index=hnsw")
        cells = self.cells or max(1, min(int(4 * total**0.5), total // _PER_CELL))
        if cells > total:
            raise ConfigError(f"cells={cells} but there are {total} vectors; leave cells out")
        subvectors = self.subvectors or max(m for m in range(1, max(width // 2, 1) + 1) if width % m == 0)
        if width % subvectors:
            raise ConfigError(f"subvectors={subvectors} does not divide the width of the vectors, {width}")
        index = faiss.IndexIVFPQ(faiss.IndexFlat(width, metric), width, cells, subvectors, 8, metric)
        index.cp.min_points_per_centroid = index.pq.cp.min_points_per_centroid = 1
        rng = np.random.default_rng(0)
        rows = np.sort(rng.choice(total, min(total, max(_TRAINED_ON * cells, 1 << 16)), replace=False))
        index.train(taken(parts, rows))
        return index


def _library() -> Any:
    import faiss

    return faiss  # as it comes: its types name half of what it has


def _read(file: Path) -> Any:
    faiss = _library()
    try:
        return faiss.read_index(str(file))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{file} cannot be read ({reason}); build the gallery again") from error
