"""Galleries: a folder of searchable items that knows its model; every change is one rename (see ``change``)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.errors import CheckpointError, DataError, MaslnError, unknown_name
from masln.features.journal import Journal
from masln.registry import plain_parameters
from masln.retrieval.backend import Backend, Rows, Scores, make_backend
from masln.retrieval.change import BUILD_LOCK, FORMAT, INDEX, MANIFEST, Change, as_json
from masln.retrieval.codes import Codes, CodeSet
from masln.retrieval.model_facts import ModelFacts
from masln.retrieval.side import Side
from masln.retrieval.vectors import asked_vectors, shown_scores
from masln.saving import write_atomically

__all__ = ["Gallery", "build_gallery"]


class Gallery:
    """A gallery on disk.

    Args:
        folder: Where it is.

    Raises:
        DataError: it is no gallery.
        CheckpointError: it is damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.load()

    def load(self) -> None:
        """Read the manifest, anew where it has changed; see the class for what is raised."""
        path = self.folder / MANIFEST
        if not path.is_file():
            raise DataError(f"{self.folder} is no gallery: it has no {MANIFEST}; make one with masln index build")
        try:
            manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if manifest["format"] != FORMAT:
                raise ValueError(f"format {manifest['format']}, this version of masln reads {FORMAT}")
            self.model = ModelFacts.from_dict(manifest["model"], where=path)
            if manifest["backend"] != getattr(self, "manifest", {}).get("backend"):
                self.backend: Backend = make_backend(manifest["backend"]["name"], **manifest["backend"]["options"])
            self.class_names: list[str] = list(manifest["class_names"])
            self.sides = {name: Side.open(self.folder, entry) for name, entry in manifest["sides"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path} cannot be read ({error}); build the gallery again") from error
        self.manifest = manifest

    def __len__(self) -> int:
        return sum(map(len, self.sides.values()))

    def side(self, modality: str) -> Side:
        """The items of a modality.

        Raises:
            DataError: it has none.
        """
        if modality not in self.sides or not len(self.sides[modality]):
            has = ", ".join(f"{len(side)} {name}s" for name, side in self.sides.items()) or "nothing"
            raise DataError(f"{self.folder} has no {modality}s to find, only {has}; add some with masln index add")
        return self.sides[modality]

    def require(self, model: ModelFacts, *, what: str) -> None:
        """Refuse codes of another model than the gallery's; see ``ModelFacts.require``."""
        self.model.require(model, what=what)

    def search(self, modality: str, codes: NDArray[Any], k: int, *, classes: Sequence[str] = ()) -> tuple[Rows, Scores]:
        """The k most similar items of a modality.

        Args:
            modality: Of the items.
            codes: (m, d) of the queries, of the gallery's model.
            k: At least 1.
            classes: Find items of these alone.

        Returns:
            Rows (m, k), the best first and equal ones in the order in which they came, -1 where there are fewer; and
            the similarities.

        Raises:
            DataError: there are no items of the modality or of a class, or the codes do not fit.
        """
        side = self.side(modality)
        if k < 1:
            raise DataError(f"k must be at least 1, got {k}")
        if codes.ndim != 2 or codes.shape[1] != self.model.code_width or not np.isfinite(codes).all():
            raise DataError(f"codes must be finite numbers (m, {self.model.code_width}), got {codes.shape}")
        allowed = side.allowed(self._class_numbers(classes))
        if allowed is not None and not allowed.rows.any():
            raise DataError(f"{self.folder} has no {modality} of class {', '.join(classes)}")
        similarity = self.model.similarity
        rows, scores = self.backend.search(
            asked_vectors(codes, similarity),
            side.parts,
            k,
            allowed=allowed,
            file=side.index,
        )
        return rows, shown_scores(scores, codes, similarity)

    def _class_numbers(self, classes: Sequence[str]) -> list[int]:
        for name in classes:
            if name not in self.class_names:
                raise DataError(f"{self.folder}: {unknown_name('class', name, self.class_names)}")
        return [self.class_names.index(name) for name in classes]

    def add(self, codes: Codes, *, replace: bool = False) -> dict[str, int]:
        """Add items; their classes may be ones that the model has never seen.

        Args:
            codes: Of the gallery's model.
            replace: Let items take the place of those of the same id and modality.

        Returns:
            How many were added, by modality.

        Raises:
            DataError: they are of another model, an id is there already or twice, or the disk refuses.
            CheckpointError: another process writes there.
        """
        self.require(codes.model, what=str(codes.folder))
        for modality, own in codes.sets.items():
            _check_ids(own, f"{codes.folder}: {modality}")
        with self._writing() as change:
            for modality, own in codes.sets.items():
                if modality in self.sides:
                    there = self.sides[modality].rows_of([item.id for item in own.items])
                    if there and not replace:
                        more = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
                        raise DataError(
                            f"the {modality} {min(there, key=lambda name: there[name])!r}{more} is in {self.folder} "
                            "already; remove it first, or ask to replace it"
                        )
                    change.remove(modality, list(there.values()))
                change.append(modality, own, codes.facts)
        return {modality: len(own.values) for modality, own in codes.sets.items()}

    def remove(
        self, *, ids: Sequence[str] = (), classes: Sequence[str] = (), modality: str | None = None
    ) -> dict[str, int]:
        """Remove items by id, by class, or both.

        Args:
            ids: Each must be there.
            classes: All items of these.
            modality: Of the items; None for both.

        Returns:
            How many were removed, by modality.

        Raises:
            DataError: an id or a class is not there, or the disk refuses.
            CheckpointError: another process writes there.
        """
        if not ids and not classes:
            raise DataError("nothing to remove; give ids or classes")
        gone = {}
        with self._writing() as change:
            numbers = self._class_numbers(classes)
            names = [name for name in self.sides if modality in (None, name)]
            found = {name: self.sides[name].rows_of(list(ids)) for name in names}
            missing = [own for own in ids if not any(own in rows for rows in found.values())]
            if missing:
                raise DataError(f"{self.folder} has no item {missing[0]!r}; nothing was removed")
            for name in names:
                side = self.sides[name]
                rows = np.zeros(side.total, dtype=np.bool_)
                rows[list(found[name].values())] = True
                rows |= np.isin(side.labels, numbers)
                rows &= ~side.gone
                gone[name] = int(rows.sum())
                change.remove(name, np.flatnonzero(rows).tolist())
        return gone

    def info(self) -> dict[str, Any]:
        """What the gallery holds, JSON-able."""
        sides = {}
        for name, side in self.sides.items():
            labels = side.labels[~side.gone]
            counts = np.bincount(labels[labels >= 0], minlength=len(self.class_names))
            sides[name] = {
                "items": len(side),
                "removed": side.total - len(side),
                "segments": len(side.segments),
                "recall@10": side.recall,
                "classes": {own: int(n) for own, n in zip(self.class_names, counts, strict=True) if n},
            }
        size = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        backend = {"name": self.backend.name, **plain_parameters(self.backend)}
        return {"model": self.model.to_dict(), "backend": backend, "sides": sides, "bytes": size}

    def _writing(self) -> Change:
        return Change(self)


def build_gallery(codes: Codes, out: str | Path, *, backend: Backend) -> Gallery:
    """Make a gallery of codes; it appears whole.

    Args:
        codes: What is in it, and of which model.
        out: The folder; must not be there.
        backend: How it is searched.

    Raises:
        DataError: ``out`` is there, an id is there twice, or the disk refuses.
        ConfigError: the backend cannot be built on these.
        CheckpointError: another process builds it, or the backend's server does not answer.
    """
    target = Path(out).absolute()
    backend.check()
    if target.exists():
        raise DataError(f"{out} exists; choose another --out, or delete it")
    hidden = target.parent / f".{target.name}.building"
    manifest = {
        "format": FORMAT,
        "generation": 0,
        "model": codes.model.to_dict(),
        "backend": {"name": backend.name, "options": plain_parameters(backend)},
        "class_names": [],
        "sides": {},
    }
    try:
        hidden.mkdir(parents=True, exist_ok=True)
        with Journal(hidden / BUILD_LOCK, {"build": target.name}):
            try:
                if target.exists():  # another build of it ended just now
                    raise DataError(f"{out} exists; choose another --out, or delete it")
                _clear(hidden, backend)
                write_atomically(hidden / MANIFEST, as_json(manifest))
                Gallery(hidden).add(codes)
                backend.close(hidden)
                os.replace(hidden, target)
                (target / BUILD_LOCK).unlink()
            finally:
                with suppress(OSError):
                    _clear(hidden, backend)
                shutil.rmtree(hidden, ignore_errors=True)
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror or error}") from error
    return Gallery(out)


def _clear(hidden: Path, backend: Backend) -> None:
    """Delete what a build left that was killed or failed, here and where the backend keeps its own."""
    for path in hidden.iterdir():
        if path.suffix == INDEX:
            with suppress(MaslnError):
                backend.discard(path, named=())
    backend.close(hidden)
    for path in hidden.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != BUILD_LOCK:
            path.unlink()


def _check_ids(codes: CodeSet, where: str) -> None:
    seen: set[str] = set()
    for item in codes.items:
        if item.id in seen:
            raise DataError(f"{where} {item.id!r} is there twice; give each item an id of its own")
        seen.add(item.id)
