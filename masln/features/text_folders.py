"""Texts out of a folder: one `.txt` a pair, or the XML articles of the Wikipedia set."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from masln.errors import DataError
from masln.features.text_table import TextRecord, TextTable, read_utf8, table_of

__all__ = ["read_article", "read_folder"]

_SUFFIXES = (".txt", ".xml")
_TEXT = re.compile(r"<text>(.*)</text>", re.DOTALL)


def read_folder(folder: str | Path, *, on_error: str = "fail", recover: bool = False) -> TextTable:
    """Read a folder of texts, one file a pair; the id is the path below the folder without its suffix.

    Args:
        folder: Holds `.txt` files, or `.xml` articles, not both; in folders of folders as well. Files of other kinds
            and hidden files are passed over.
        on_error: ``fail`` at a file without a sound text, or ``skip`` it and say so in ``skipped``.
        recover: See ``read_article``.

    Returns:
        The texts in the order of their ids; articles with their columns ``name`` and ``image``.

    Raises:
        DataError: There are no such files or both kinds, or a file is wrong.
    """
    root = Path(folder)
    files = sorted(
        file
        for file in root.rglob("*")
        if file.suffix.lower() in _SUFFIXES and file.is_file() and not file.name.startswith(".")
    )
    kinds = {file.suffix.lower() for file in files}
    if len(kinds) != 1:
        raise DataError(
            f"{root}: {'both .txt and .xml files' if kinds else 'no .txt or .xml file'}; one kind is needed"
        )
    records: list[TextRecord] = []
    skipped: list[str] = []
    for file in files:
        identifier = file.relative_to(root).with_suffix("").as_posix()
        try:
            if file.suffix.lower() == ".xml":
                text, columns = read_article(file, recover=recover)
            else:
                text, columns = read_utf8(file), {}
        except DataError as error:
            if on_error != "skip":
                raise
            skipped.append(str(error))
            continue
        records.append(TextRecord(str(file), identifier, (text,), columns))
    return table_of(records, source=root, on_error=on_error, skipped=skipped)


def read_article(file: str | Path, *, recover: bool = False) -> tuple[str, dict[str, str]]:
    """Read an article of the Wikipedia set (Rasiwasia et al. 2010): the content of its `<text>` elements.

    No entity is ever expanded and nothing is fetched: a document type declaration, where those come from, is refused.

    Args:
        file: One XML document, UTF-8 whatever it may declare.
        recover: Where the file is not well formed, take what stands between its one `<text>` and its one `</text>`.

    Returns:
        The text, and ``name`` (the document's) and ``image`` (the id of its picture) where the file has them.

    Raises:
        DataError: The file is not UTF-8, not well formed (truncated, for instance), or has no `<text>`.
    """
    path = Path(file)
    content = read_utf8(path)
    article = _Article(path)
    try:
        return article.read(content)
    except expat.ExpatError as error:
        reason = f"{path}:{error.lineno}: not well-formed XML ({expat.ErrorString(error.code)})"
    found = _TEXT.search(content)
    if recover and found and content.count("<text>") == content.count("</text>") == 1:
        return html.unescape(found[1]), article.columns
    raise DataError(f"{reason}; get the file again" + (" or recover its <text>" if found and not recover else ""))


class _Article:
    """Gathers the character data inside `<text>`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns: dict[str, str] = {}
        self._pieces: list[str] = []
        self._depth = 0
        self._texts = 0

    def read(self, content: str) -> tuple[str, dict[str, str]]:
        parser = expat.ParserCreate("utf-8")
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.Parse(content.encode("utf-8"), True)
        if not self._texts:
            raise DataError(f"{self.path}: no <text> element; an article of the Wikipedia set is needed")
        return "".join(self._pieces), self.columns

    def _refuse_doctype(self, *_: object) -> NoReturn:
        raise DataError(f"{self.path}: declares a document type, which may define entities; remove the declaration")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += name == "text" or self._depth > 0
        self._texts += name == "text"
        if name == "image" and "id" in attributes:
            self.columns.setdefault("image", attributes["id"])
        if name in ("document", "article") and "name" in attributes:
            self.columns.setdefault("name", attributes["name"])

    def _end(self, name: str) -> None:
        if self._depth:
            self._depth -= 1
            if not self._depth:
                self._pieces.append("\n")

    def _characters(self, data: str) -> None:
        if self._depth:
            self._pieces.append(data)
