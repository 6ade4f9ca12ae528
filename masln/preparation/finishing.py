"""The end of a preparation: the bundle under its name and the work folder gone, whatever is killed in between."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masln.data import check_target, file_sha256, fill_bundle, put_in_place
from masln.data.bundle_folder import MANIFEST
from masln.errors import DataError
from masln.preparation.settings import Preparation
from masln.saving import write_atomically

__all__ = ["LOCK", "Prepared", "finish", "finished_earlier"]

LOCK = "lock.journal"
_WHOLE = "bundle"


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` wrote.

    Attributes:
        folder: The bundle.
        counts: Pairs by class, and of a class by ``train``, ``validation`` and ``test``.
        guesses: A line for each column that was guessed, and for class vectors chosen.
        notes: What a person should know of the result.
        skipped: A line for each row of the table that is not in the bundle.
    """

    folder: Path
    counts: dict[str, dict[str, int]]
    guesses: tuple[str, ...]
    notes: tuple[str, ...]
    skipped: tuple[str, ...]


def finish(work: Path, settings: Preparation, prepared: Prepared, *, overwrite: bool, **content: Any) -> None:
    """Write the bundle into the work folder, give it its name, and remove the work folder.

    A mark beside the work folder says that the bundle is whole and which it is; it goes last. Once the bundle has left
    the work folder only the mark counts: the rest may be half removed.

    Args:
        work: The work folder.
        settings: What it was made of.
        prepared: What to tell of it.
        overwrite: Replace a bundle that is there.
        content: As of ``fill_bundle``.

    Raises:
        DataError: something is there that is not to be replaced, or the disk refuses.
    """
    mark, whole = _mark(work), work / _WHOLE
    try:
        mark.unlink(missing_ok=True)  # an earlier run was killed before its bundle had its name
        shutil.rmtree(whole, ignore_errors=True)
        whole.mkdir()
        fill_bundle(whole, **content)
        facts = {"settings": _key(settings), "manifest": file_sha256(whole / MANIFEST)}
        told = {name: getattr(prepared, name) for name in ("counts", "guesses", "notes", "skipped")}
        write_atomically(mark, json.dumps(facts | told).encode())
        check_target(prepared.folder, overwrite=overwrite)
        put_in_place(whole, prepared.folder)
    except OSError as error:
        with suppress(OSError):
            mark.unlink(missing_ok=True)
        shutil.rmtree(whole, ignore_errors=True)
        raise DataError(f"cannot write the bundle {prepared.folder}: {error.strerror or error}") from error
    _remove(work)


def finished_earlier(work: Path, settings: Preparation, out: str | Path) -> Prepared | None:
    """What an earlier run with the same settings made, if all that it lacked was to remove its work folder.

    Args:
        work: The work folder, locked if it is there; removed where the bundle has left it.
        settings: Those of this run.
        out: The bundle's folder.
    """
    mark = _mark(work)
    if not mark.is_file() or (work / _WHOLE).is_dir():
        return None
    facts = json.loads(mark.read_bytes())
    manifest = Path(out) / MANIFEST
    same = facts["settings"] == _key(settings)
    same = same and manifest.is_file() and facts["manifest"] == file_sha256(manifest)
    _remove(work)
    if not same:
        return None
    told = {name: tuple(facts[name]) for name in ("guesses", "notes", "skipped")}
    return Prepared(folder=Path(out), counts=facts["counts"], **told)


def _key(settings: Preparation) -> str:
    """What tells settings apart; the table by its content, as a recipe writes it to another folder each time."""
    values = dataclasses.asdict(settings)
    table = Path(settings.table)
    values["table"] = [table.name, file_sha256(table) if table.is_file() else None]
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def _mark(work: Path) -> Path:
    return work.with_suffix(".prepared")


def _remove(work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    with suppress(OSError):
        _mark(work).unlink()
