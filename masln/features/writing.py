"""Features of many items straight to disk, batch by batch; a killed run goes on where it stopped, to the same bytes."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from masln.errors import CheckpointError, ConfigError, DataError
from masln.features.base import BATCH_SIZE, Extractor, FeatureBatch, finite_rows
from masln.features.journal import Journal
from masln.features.pipeline import in_order, worker_count
from masln.features.rows_file import RowsFile
from masln.features.text_table import ON_ERROR
from masln.progress import progress_bar

__all__ = ["Skipped", "WrittenFeatures", "write_features"]

_FORMAT = 1
# Waiting for the disk took 20 ms here: much beside 16 short texts, little beside half a second of work.  # ours
_SECONDS_AT_RISK = 0.5


class Skipped(NamedTuple):
    """An item that has no row: its position among the items, its id, what it was, and why it was left out."""

    row: int
    id: str
    item: str
    reason: str


@dataclass(frozen=True)
class WrittenFeatures:
    """What ``write_features`` wrote: row i of the array belongs to item ``rows[i]``, whose id is ``ids[i]``."""

    values: Path
    mask: Path | None
    rows: NDArray[np.int64]
    ids: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    extractor_hash: str

    def load(self) -> FeatureBatch:
        """The arrays, memory-mapped."""
        mask = None if self.mask is None else np.load(self.mask, mmap_mode="r", allow_pickle=False)
        return FeatureBatch(np.load(self.values, mmap_mode="r", allow_pickle=False), mask)


def write_features(
    extractor: Extractor,
    items: Sequence[Any],
    folder: str | Path,
    *,
    name: str,
    ids: Sequence[str] | None = None,
    batch_size: int = BATCH_SIZE,
    workers: int | None = None,
    on_error: str = "fail",
    progress: bool = False,
) -> WrittenFeatures:
    """Write ``name.npy`` and, where the extractor is ``masked``, ``name_mask.npy``; go on where a killed run stopped.

    Rows are appended to hidden files, flushed to disk, and only then entered in ``name.journal``; a kill loses half a
    second of work or one batch, and the files get their names when they are whole. Called again with the same arguments
    it returns what is there. Memory does not grow with the number of items, and the bytes depend neither on ``workers``
    nor on kills. Between one call and the next ``workers``, ``on_error`` and items not yet done may change (a broken
    file may be mended); the extractor, ``batch_size`` and items done may not.

    Args:
        extractor: A fitted one.
        items: n of them.
        folder: Made when missing.
        name: ``image`` or ``text``, as in a bundle.
        ids: n names for the records; the position by default.
        batch_size: How many are extracted at once.
        workers: Threads that read and extract a batch each; by default as many as torch would use.
        on_error: ``fail`` at an item that cannot be read, or ``skip`` it and record it.
        progress: Show a bar, where standard error is a terminal.

    Raises:
        DataError: an item cannot be read, none can, or the disk refuses.
        CheckpointError: the folder holds the work of another configuration, or another process writes there.
        ConfigError: an argument is out of range.
        NotFittedError: ``fit`` is needed first.
    """
    names = _checked_ids(items, ids, batch_size, on_error)
    head = {"format": _FORMAT, "extractor": extractor.hash, "batch_size": batch_size, "shape": list(extractor.shape)}
    batches = _Batches(
        extractor, items, names, batch_size, worker_count(workers, concurrent=extractor.concurrent), on_error == "skip"
    )
    target = Path(folder)
    files = [RowsFile(target, name, np.float32, extractor.shape)]
    if extractor.masked:
        files.append(RowsFile(target, f"{name}_mask", np.bool_, extractor.shape[:1]))
    journal_path = target / f"{name}.journal"
    try:
        target.mkdir(parents=True, exist_ok=True)
        if files[0].path.exists() and not journal_path.exists():
            raise DataError(f"{files[0].path} exists and has no journal; choose another folder, or delete it")
        with Journal(journal_path, head) as journal:
            batches.hold_against(journal)
            if not journal.finished:
                _append(batches, files, journal, progress=progress, title=f"{name} features")
            for file in reversed(files):  # the values last: where they stand under their name, all is there
                file.rename(journal.kept)
            skipped = tuple(Skipped(row, names[row], item, reason) for row, item, reason in journal.skipped)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"cannot write {files[0].path} ({reason}); mend that and run again to go on") from error
    left_out = {failure.row for failure in skipped}
    rows = np.array([row for row in range(len(items)) if row not in left_out], dtype=np.int64)
    return WrittenFeatures(
        values=files[0].path,
        mask=files[1].path if extractor.masked else None,
        rows=rows,
        ids=tuple(names[row] for row in rows),
        skipped=skipped,
        extractor_hash=str(head["extractor"]),
    )


def _checked_ids(items: Sequence[Any], ids: Sequence[str] | None, batch_size: int, on_error: str) -> list[str]:
    if on_error not in ON_ERROR:
        raise ConfigError(f"on_error must be one of {', '.join(ON_ERROR)}, got {on_error!r}")
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
    if isinstance(items, str | bytes) or not len(items):
        raise DataError("no items to extract features of; give a sequence of at least one")
    if ids is None:
        return [str(row) for row in range(len(items))]
    if len(ids) != len(items):
        raise ConfigError(f"{len(ids)} ids for {len(items)} items; give one for each")
    return [str(identifier) for identifier in ids]


@dataclass(frozen=True)
class _Batches:
    """The items in batches of fixed bounds: resumed or not, the same ones go through the network together."""

    extractor: Extractor
    items: Sequence[Any]
    ids: Sequence[str]
    size: int
    workers: int
    keep_going: bool

    def bounds(self, done: int) -> Iterator[range]:
        """The rows of each batch from number ``done`` on."""
        count = len(self.items)
        return (range(start, min(start + self.size, count)) for start in range(done * self.size, count, self.size))

    def hold_against(self, journal: Journal) -> None:
        """Refuse a journal of other items, or with skips that may not be; of files, see ``Extractor._item_key``."""
        for rows, key in zip(self.bounds(0), journal.batches, strict=False):
            if self._key(rows) != key:
                raise CheckpointError(
                    f"{journal.path}: rows {rows.start} to {rows.stop - 1} were made from other items, or their files "
                    "have changed since; put them back, or delete the journal to start anew"
                )
        done, whole = len(journal.batches), -(-len(self.items) // self.size)
        if done > whole or (journal.finished and done < whole):
            raise CheckpointError(
                f"{journal.path}: was made from another number of items; delete it to start anew with these"
            )
        if not self.keep_going and journal.skipped:
            row, _, reason = journal.skipped[0]
            raise DataError(f"row {row} (id {self.ids[row]}): {reason}; it was skipped by an earlier call")

    def features(self, done: int) -> Iterator[tuple[FeatureBatch, dict[str, Any]]]:
        """Features of the batches from number ``done`` on, each with its entry for the journal."""
        return in_order(self._one, self.bounds(done), workers=self.workers)

    def _one(self, rows: range) -> tuple[FeatureBatch, dict[str, Any]]:
        key = self._key(rows)  # before reading: a file that changes in between must be told
        read: list[Any] = []
        good: list[int] = []
        skipped: list[tuple[int, str, str]] = []
        for row in rows:
            try:
                read.append(self.extractor._read(self.items[row]))
                good.append(row)
            except DataError as error:
                skipped.append(self._skip(row, str(error)))
        batch = self.extractor.extract_read(read) if read else self._nothing()
        finite = finite_rows(batch.values)
        if not finite.all():
            skipped += [self._skip(good[at], "its feature is not finite") for at in np.flatnonzero(~finite)]
            batch = FeatureBatch(batch.values[finite], None if batch.mask is None else batch.mask[finite])
        return batch, {"items": key, "kept": len(batch.values), "skipped": sorted(skipped)}

    def _nothing(self) -> FeatureBatch:
        shape = (0, *self.extractor.shape)
        mask = np.empty(shape[:2], dtype=np.bool_) if self.extractor.masked else None
        return FeatureBatch(np.empty(shape, dtype=np.float32), mask)

    def _skip(self, row: int, reason: str) -> tuple[int, str, str]:
        if not self.keep_going:
            raise DataError(f"row {row} (id {self.ids[row]}): {reason}")
        item = self.items[row]
        return row, os.fspath(item)[:200] if isinstance(item, str | os.PathLike) else type(item).__name__, reason

    def _key(self, rows: range) -> str:
        digest = hashlib.sha256()
        for row in rows:
            key = self.extractor._item_key(self.items[row])
            digest.update(len(key).to_bytes(8, "big") + key)
        return digest.hexdigest()


def _append(batches: _Batches, files: Sequence[RowsFile], journal: Journal, *, progress: bool, title: str) -> None:
    """Do the batches that the journal lacks."""
    done = len(journal.batches)
    left_out = len(journal.skipped)
    waiting: list[dict[str, Any]] = []

    def commit() -> None:
        for file in files:
            file.sync()
        journal.append(*waiting)
        waiting.clear()

    with ExitStack() as stack:
        for file in files:
            stack.enter_context(file.opened(journal.kept))
        advance = stack.enter_context(progress_bar(title, len(batches.items), show=progress))
        advance(sum(len(rows) for _, rows in zip(range(done), batches.bounds(0), strict=False)))
        committed = time.monotonic()
        try:
            for (values, mask), entry in batches.features(done):
                for file, part in zip(files, (values, mask), strict=False):
                    file.append(np.asarray(part))
                waiting.append(entry)
                left_out += len(entry["skipped"])
                advance(len(values) + len(entry["skipped"]), f"{left_out} skipped" if left_out else "")
                if time.monotonic() - committed >= _SECONDS_AT_RISK:
                    commit()
                    committed = time.monotonic()
        finally:
            commit()  # also what was done before an item that cannot be read, or Ctrl-C
        if not journal.kept:
            raise DataError(f"none of the {len(batches.items)} items could be read; the first: {journal.skipped[0][2]}")
        for file in files:
            file.complete(journal.kept)
    journal.append({"finished": journal.kept})
