"""A gallery while it is served: read anew when it changes on disk, searched through the run's model."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from masln.data import DEFAULT_DATASET
from masln.errors import CheckpointError, MaslnError
from masln.experiments import open_encoder
from masln.features import MODALITIES
from masln.models import ClassEncoder, JointScorer
from masln.retrieval import Answer, Encoder, Gallery, Item, picture_of, search, search_by_item, search_class
from masln.retrieval.change import MANIFEST
from masln.web.run_facts import RunFacts

__all__ = ["Found", "LiveGallery", "Opened", "character_of", "other_modality"]


def other_modality(modality: str) -> str:
    """``text`` of ``image``, and the other way round."""
    return MODALITIES[1 - MODALITIES.index(modality)]


@dataclass(frozen=True)
class Found:
    """An answer.

    Attributes:
        answer: As of ``search``.
        find: Modality of what was found.
        seconds: That the search took, without its wait for others.
        opened: The gallery that was searched.
    """

    answer: Answer
    find: str
    seconds: float
    opened: Opened


class Opened:
    """A gallery as it was at one moment, with the model of its run and what is told of the run.

    Args:
        gallery: An open one.
        encoder: Of its model.
        run: Of the model.
        why_not: By modality, why nobody can ask with a raw item of it.
    """

    def __init__(self, gallery: Gallery, encoder: Encoder, run: RunFacts, why_not: dict[str, str]) -> None:
        self.gallery, self.encoder, self.run, self.why_not = gallery, encoder, run, why_not

    @cached_property
    def info(self) -> dict[str, Any]:
        """As of ``Gallery.info``."""
        return self.gallery.info()

    @property
    def reranks(self) -> bool:
        """Whether the method has a joint score."""
        return isinstance(self.encoder.method, JointScorer)

    @property
    def encodes_classes(self) -> bool:
        """Whether the method has a code for the name of a class."""
        return isinstance(self.encoder.method, ClassEncoder)

    def place(self, modality: str, item: str) -> tuple[Item, Path | None]:
        """An item, and the file of its picture where there is one below the folder that the gallery names.

        Raises:
            LookupError: no such item.
        """
        side = self.gallery.sides.get(modality)
        row = None if side is None else side.rows_of([item]).get(item)
        if side is None or row is None:
            raise LookupError(item)
        segment, own = side.place(row)
        found = segment.items.take([own])[0]
        picture = picture_of(segment, found)
        if picture is not None and not _lies_below(picture, Path(str(segment.facts["images"]))):
            picture = None
        return found, picture

    def character(self, item: Item) -> str | None:
        """The emoji of an item of the bundled set."""
        return character_of(item.id) if self.gallery.model.data == DEFAULT_DATASET else None

    def without_paths(self, message: str) -> str:
        """A message with the folders of this machine by their last name alone."""
        facts = [segment.facts for side in self.gallery.sides.values() for segment in side.segments]
        named = [str(own[key]) for own in facts for key in ("images", "bundle") if own.get(key)]
        run = Path(self.encoder.facts.run)
        named += [str(self.gallery.folder), str(self.gallery.folder.absolute()), self.gallery.model.run, str(run)]
        for folder in sorted(set(named), key=len, reverse=True):
            message = message.replace(folder, Path(folder).name)
        return message


_EMOJI = re.compile(r"([0-9a-f]{4,6}(?:-[0-9a-f]{4,6})*)-(?:fluent|noto)")
_AS_EMOJI = "\N{VARIATION SELECTOR-16}"


def character_of(item: str) -> str | None:
    """The emoji that an item of the bundled set draws or describes: its id is the code points and the artist."""
    match = _EMOJI.fullmatch(item)
    if match is None:
        return None
    points = [int(point, 16) for point in match[1].split("-")]
    # A single one may be drawn as text otherwise (the sun as a black glyph).
    return "".join(map(chr, points)) + (_AS_EMOJI if len(points) == 1 else "")


def _lies_below(file: Path, folder: Path) -> bool:
    """Whether a path leads below a folder by its names; links within the folder are the owner's own."""
    return Path(os.path.normpath(file)).is_relative_to(os.path.normpath(folder))


class LiveGallery:
    """A gallery that may change while it is searched; one search at a time, as extractors are not made for several.

    Args:
        folder: Of the gallery.
        run: Where its run is now; None for where the gallery says.

    Raises:
        MaslnError: as of ``Gallery`` and ``open_encoder``.
    """

    _AGAIN: ClassVar[int] = 2  # tries, where the gallery is changed under a search

    def __init__(self, folder: str | Path, *, run: str | Path | None = None) -> None:
        self.folder, self._run = Path(folder), run
        self._searching, self._opening = threading.Lock(), threading.Lock()
        self._stamp: tuple[int, ...] = ()
        self._opened: Opened | None = None
        self.opened()

    def opened(self) -> Opened:
        """The gallery as it is on disk now.

        Raises:
            CheckpointError: it is gone, damaged, or of a run that is.
        """
        with self._opening:
            stamp = self._stamp_now()
            if self._opened is None:
                self._opened = self._open()
            elif stamp != self._stamp:
                try:
                    self._opened = self._open()
                except MaslnError as error:  # nothing that a client could mend, whatever kind it is
                    raise CheckpointError(str(error)) from error
            self._stamp = stamp
            return self._opened

    def without_paths(self, message: str) -> str:
        """As of ``Opened``."""
        return message if self._opened is None else self._opened.without_paths(message)

    def _stamp_now(self) -> tuple[int, ...]:
        try:
            facts = os.stat(self.folder / MANIFEST)
        except OSError:
            return ()
        return facts.st_mtime_ns, facts.st_size, facts.st_ino

    def _open(self) -> Opened:
        gallery, before = Gallery(self.folder), self._opened
        if before is not None and before.gallery.model.hash == gallery.model.hash:
            return Opened(gallery, before.encoder, before.run, before.why_not)
        encoder = open_encoder(self._run or gallery.model.run)
        gallery.require(encoder.facts, what=f"run {encoder.facts.run}")
        opened = Opened(gallery, encoder, RunFacts.read(encoder.facts.run), {})
        for modality in MODALITIES:
            try:
                _warm(encoder, modality)
            except MaslnError as error:
                opened.why_not[modality] = " ".join(opened.without_paths(str(error)).split())
        return opened

    def search(self, queries: Sequence[Any], *, modality: str, find: str | None = None, **options: Any) -> Found:
        """Search with a text, or a picture as ``read_image`` takes it; options are those of ``masln.search``."""
        wanted = find or other_modality(modality)

        def of(opened: Opened) -> Answer:
            return search(opened.gallery, opened.encoder, queries, modality=modality, find=wanted, **options)[0]

        return self._found(of, wanted)

    def search_by_item(self, item: str, *, modality: str, find: str | None = None, **options: Any) -> Found:
        """Search with an item of the gallery; options are those of ``search_by_item``."""
        wanted = find or other_modality(modality)

        def of(opened: Opened) -> Answer:
            own = {"modality": modality, "find": wanted, "encoder": opened.encoder, **options}
            return search_by_item(opened.gallery, item, **own)

        return self._found(of, wanted)

    def search_class(self, name: str, *, find: str, **options: Any) -> Found:
        """Search with the name of a class; options are those of ``masln.retrieval.search_class``."""
        return self._found(
            lambda opened: search_class(opened.gallery, opened.encoder, name, find=find, **options), find
        )

    def _found(self, ask: Callable[[Opened], Answer], find: str) -> Found:
        with self._searching:
            for left in reversed(range(self._AGAIN)):
                opened, started = self.opened(), time.perf_counter()
                try:
                    return Found(ask(opened), find, time.perf_counter() - started, opened)
                except CheckpointError:
                    if not left or self._stamp_now() == self._stamp:
                        raise
        raise AssertionError("the last try returns or raises")


def _warm(encoder: Encoder, modality: str) -> None:
    """Load what queries of a modality need, so that the first of them does not wait, and an error is told at once."""
    if modality == "text":
        encoder.of_raw("text").features([("a",)])
        return
    from PIL import Image

    encoder.of_raw("image").features([Image.new("RGB", (8, 8))])
