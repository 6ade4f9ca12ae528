"""Texts as they were read: an id, its captions and the other columns of each pair, all checked in one place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from masln.errors import ConfigError, DataError, unknown_name

__all__ = ["ON_ERROR", "TextRecord", "TextTable", "gathered", "read_utf8", "table_of"]

ON_ERROR = ("fail", "skip")
# A caption that Python 2 code wrote as text and Python 3 code as `str(bytes)`; it halved VSRN's recall unnoticed.
_BYTES_REPR = re.compile(r"""b(['"]).*\1""", re.DOTALL)


@dataclass(frozen=True)
class TextTable:
    """Texts in the order of their source: entry i of every column is pair i.

    Attributes:
        ids: (n) names, each once.
        captions: (n) one or more captions each, stripped and not empty.
        columns: The other columns, (n) values each as written.
        chosen: Which columns were taken as ``id`` and ``text``, for the record and for whoever should see a guess.
        skipped: One line for each pair that was left out, with the reason.
        places: (n) file and row each was read from.
    """

    ids: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    places: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class TextRecord:
    """One pair as a reader found it, unchecked.

    Attributes:
        where: File and row, for messages.
        id: Its name.
        captions: What should be texts.
        columns: The other columns.
    """

    where: str
    id: str
    captions: tuple[object, ...]
    columns: Mapping[str, str] = field(default_factory=dict)


def read_utf8(file: Path) -> str:
    """Read a text file that must be UTF-8; a byte order mark in front is dropped.

    Returns:
        The text, its line ends as they are.

    Raises:
        DataError: It cannot be read, or a byte is not UTF-8 or is NUL; the message has the line.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error})") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, byte = error.object.count(b"\n", 0, error.start) + 1, error.object[error.start]
        raise DataError(f"{file}:{line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{file}:{line}: a NUL byte, so the file is damaged or UTF-16; get it again, as UTF-8")
    return text


def table_of(
    records: Iterable[TextRecord],
    *,
    source: str | Path,
    on_error: str = "fail",
    chosen: Mapping[str, tuple[str, ...]] | None = None,
    skipped: Iterable[str] = (),
) -> TextTable:
    """Check records and make them a table.

    Args:
        records: What a reader found.
        source: File or folder, for messages.
        on_error: ``fail`` at a pair without a sound text, or ``skip`` it and say so in ``skipped``. An id that
            occurs twice always fails, as it cannot be told which of the two is meant.
        chosen: Which columns were read.
        skipped: What the reader has left out already.

    Returns:
        The table.

    Raises:
        DataError: As ``on_error`` says, or no pair is left.
    """
    if on_error not in ON_ERROR:
        raise ConfigError(unknown_name("way with errors", on_error, ON_ERROR))
    kept: list[tuple[TextRecord, tuple[str, ...]]] = []
    left_out = list(skipped)
    places: dict[str, str] = {}
    for record in records:
        if record.id in places:
            raise DataError(
                f"{record.where}: the id {record.id!r} stands at {places[record.id]} already; give each pair its own, "
                "or gather the captions of one id"
            )
        places[record.id] = record.where
        captions, problem = _sound(record)
        if not problem:
            kept.append((record, captions))
        elif on_error == "skip":
            left_out.append(f"{record.where}: {problem}")
        else:
            raise DataError(f"{record.where}: {problem}; mend or remove it")
    if not kept:
        raise DataError(f"{source}: no texts" + (f", {len(left_out)} were skipped ({left_out[0]})" if left_out else ""))
    names = list(dict.fromkeys(name for record, _ in kept for name in record.columns))
    return TextTable(
        ids=tuple(record.id for record, _ in kept),
        captions=tuple(captions for _, captions in kept),
        columns={name: tuple(record.columns.get(name, "") for record, _ in kept) for name in names},
        chosen=dict(chosen or {}),
        skipped=tuple(left_out),
        places=tuple(record.where for record, _ in kept),
    )


def gathered(records: Iterable[TextRecord]) -> list[TextRecord]:
    """Bring the rows of one id together, as several captions of one pair.

    Raises:
        DataError: Rows of one id differ in another column, so they are not one pair.
    """
    by_id: dict[str, TextRecord] = {}
    for record in records:
        first = by_id.get(record.id)
        if first is None:
            by_id[record.id] = record
            continue
        for name, value in record.columns.items():
            if value != first.columns.get(name):
                raise DataError(
                    f"{record.where}: {name} of {record.id!r} is {value!r} but {first.columns.get(name)!r} at "
                    f"{first.where}; captions of one id must agree in all other columns"
                )
        by_id[record.id] = TextRecord(first.where, first.id, (*first.captions, *record.captions), first.columns)
    return list(by_id.values())


def _sound(record: TextRecord) -> tuple[tuple[str, ...], str]:
    """The captions that hold something, and what is wrong with the record."""
    if not record.id:
        return (), "no id"
    if not record.id.isprintable():
        return (), f"the id {record.id!r} has characters that do not print"
    captions = []
    for value in record.captions:
        if isinstance(value, bytes) or (isinstance(value, str) and _BYTES_REPR.fullmatch(value.strip())):
            return (), f"the text is bytes written as text ({str(value)[:30]!r}); decode it where it was written"
        if not isinstance(value, str):
            return (), f"the text is {type(value).__name__} ({str(value)[:30]!r})"
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return (), "the text holds half a surrogate pair, which is no character"
        if value.strip():
            captions.append(value.strip())
    return tuple(captions), "" if captions else "no text"
