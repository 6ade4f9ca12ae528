"""One change of a gallery: new files beside the old ones, then one rename.

Items lie in segments, one a call of ``add`` and modality, which are written once. ``gallery.json`` names the segments,
the rows that were removed, and the backend's index. A kill at any moment leaves the gallery as it was before, or as it
is after. What no manifest names is deleted by the next change: who reads an older manifest still finds its files.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from masln.errors import DataError, MaslnError
from masln.features.journal import Journal
from masln.retrieval.codes import CodeSet
from masln.retrieval.recall import recall_at
from masln.retrieval.segment import save_array, sync_folder, write_segment
from masln.retrieval.side import Side
from masln.retrieval.top_k import exact_top_k
from masln.retrieval.vectors import asked_with_stored
from masln.saving import write_atomically

if TYPE_CHECKING:
    from masln.retrieval.gallery import Gallery

__all__ = ["BUILD_LOCK", "FORMAT", "INDEX", "MANIFEST", "Change", "as_json"]

MANIFEST, LOCK, INDEX = "gallery.json", "lock.journal", ".index"
BUILD_LOCK = "build.journal"
FORMAT = 1
_RECALL_QUERIES, _RECALL_AT = 1000, 10  # ours


class Change:
    """A change, made of ``append`` and ``remove`` and committed where the block ends without an error.

    Args:
        gallery: Read anew when the block begins, and when it ends.

    Raises:
        DataError: the disk refuses; the gallery is as it was.
        CheckpointError: another process writes there.
    """

    def __init__(self, gallery: Gallery) -> None:
        self.gallery, self.folder = gallery, gallery.folder

    def __enter__(self) -> Change:
        self._lock = Journal(self.folder / LOCK, {"lock": "gallery"})
        try:
            self.gallery.load()  # another process may have changed it since
            self.manifest = json.loads(json.dumps(self.gallery.manifest))
            self.manifest["generation"] = self.generation = self.gallery.manifest["generation"] + 1
            self._delete_unnamed()
        except BaseException:
            self._lock.__exit__()
            raise
        self.added: dict[str, int] = {}
        self.gone: dict[str, NDArray[np.bool_]] = {}
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        try:
            try:
                if error is None:
                    self._commit()
            except BaseException as failed:
                error = failed
                raise
            finally:
                if error is not None:
                    self._delete_unnamed()
        except OSError as refused:
            raise self._refused(refused) from refused
        finally:
            self._lock.__exit__()
        if isinstance(error, OSError):
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> DataError:
        return DataError(f"cannot write {self.folder}: {error.strerror or error}; it is as it was")

    def append(self, modality: str, codes: CodeSet, facts: Mapping[str, Any]) -> None:
        """Write items as a new segment."""
        names: list[str] = self.manifest["class_names"]
        numbers = {name: number for number, name in enumerate(names)}

        def number_of(name: str) -> int:
            if name not in numbers:
                numbers[name] = len(names)
                names.append(name)
            return numbers[name]

        entry = write_segment(
            self.folder / f"{modality}-{self.generation}",
            codes,
            similarity=self.gallery.model.similarity,
            half=self.gallery.backend.keeps_half,
            number_of=number_of,
            facts=facts,
        )
        nothing: dict[str, Any] = {"segments": [], "removed": None, "index": None, "recall": None}
        self.manifest["sides"].setdefault(modality, nothing)["segments"].append(entry)
        self.added[modality] = entry["rows"]

    def remove(self, modality: str, rows: Sequence[int]) -> None:
        """Mark rows of the side as it was."""
        if not rows:
            return
        gone = self.gallery.sides[modality].gone.copy()
        gone[list(rows)] = True
        self.gone[modality] = gone

    def _commit(self) -> None:
        entries = self.manifest["sides"]
        for modality in self.added.keys() | self.gone.keys():
            entry, before = entries[modality], self.gallery.sides.get(modality)
            gone = self.gone.get(modality, None if before is None else before.removed)
            if gone is not None:
                entry["removed"] = f"{modality}-removed-{self.generation}.npy"
                total = sum(own["rows"] for own in entry["segments"])
                padded = np.concatenate([gone, np.zeros(total - len(gone), dtype=np.bool_)])
                save_array(self.folder / entry["removed"], padded)
        for modality, count in self.added.items():
            entry, before = entries[modality], self.gallery.sides.get(modality)
            side = Side.open(self.folder, {**entry, "index": None})
            file = self.folder / f"{modality}-{self.generation}{INDEX}"
            previous = None if before is None else before.index
            if self.gallery.backend.write(side.parts, file, labels=side.labels, previous=previous, added=count):
                entry["index"] = file.name
        if not self.gallery.backend.is_exact:
            self._measure(entries)
        sync_folder(self.folder)
        write_atomically(self.folder / MANIFEST, as_json(self.manifest))
        sync_folder(self.folder)
        self.gallery.load()

    def _measure(self, entries: Mapping[str, Any]) -> None:
        """Recall of each index that is new, asked with codes of the other modality where there are any."""
        sides = {name: Side.open(self.folder, entry) for name, entry in entries.items()}
        for modality in self.added:
            side = sides[modality]
            other = sides[next((name for name in sides if name != modality), modality)]
            asked = asked_with_stored(other.spread(_RECALL_QUERIES), self.gallery.model.similarity)
            allowed = side.allowed()
            found = self.gallery.backend.search(asked, side.parts, _RECALL_AT, allowed=allowed, file=side.index)[0]
            exact = exact_top_k(asked, side.parts, _RECALL_AT, allowed=None if allowed is None else allowed.rows)[0]
            entries[modality]["recall"] = recall_at(found, exact)

    def _delete_unnamed(self) -> None:
        """Delete what a kill, an error or an earlier change left; the manifest on disk says what belongs."""
        named = {MANIFEST, LOCK, BUILD_LOCK} | self.gallery.backend.keeps
        for entry in json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))["sides"].values():
            named |= {own["folder"] for own in entry["segments"]} | {entry["removed"], entry["index"]}
        indexes = [self.folder / name for name in named if name is not None and name.endswith(INDEX)]
        for path in self.folder.iterdir():
            if path.name in named:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
                continue
            with suppress(OSError, MaslnError):
                if path.suffix == INDEX:
                    self.gallery.backend.discard(path, named=indexes)
                path.unlink()


def as_json(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as it goes to disk."""
    return (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()
