"""Pictures and a table in, a bundle out: plan, extract, arrange, write; a killed run goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from masln.data import PairedDataset, check_target, counts_of, only_of, put_back
from masln.errors import DataError
from masln.features import CaptionRows, Extractor, WrittenFeatures, caption_rows
from masln.features.journal import Journal
from masln.preparation.extraction import checked_extractor, extract, fitted, saved_files
from masln.preparation.finishing import LOCK, Prepared, finish, finished_earlier
from masln.preparation.plan import Plan, make_plan
from masln.preparation.record import extractor_record, guesses_in, make_recipe, notes_on
from masln.preparation.rows import gather_rows, pool_rows, zero_rows
from masln.preparation.settings import Preparation
from masln.preparation.splitting import check_classes

__all__ = ["prepare", "work_folder"]


def work_folder(out: str | Path) -> Path:
    """The hidden folder beside a bundle in which it is made."""
    target = Path(out).absolute()
    return target.parent / f".{target.name}.preparing"


def prepare(
    settings: Preparation,
    out: str | Path,
    *,
    workers: int | None = None,
    overwrite: bool = False,
    progress: bool = False,
    announce: Callable[[str], None] | None = None,
) -> Prepared:
    """Make a bundle of one's own collection.

    Features are extracted into a hidden folder beside ``out``; called again after a kill, with the same settings, the
    work goes on where it stopped, to the same bytes. The bundle appears whole, one that it replaces stays until then,
    and the hidden folder is removed.

    Args:
        settings: What to make of what.
        out: The bundle's folder.
        workers: Threads that read and extract; by default as many as torch would use. The bytes do not depend on it.
        overwrite: Replace a bundle that is already there.
        progress: Show bars, where standard error is a terminal.
        announce: Is given each line of ``guesses`` before the work begins.

    Raises:
        DataError: the table, a picture or a text is wrong, or the disk refuses.
        SplitError: the classes or the split allow no evaluation.
        ConfigError: an extractor or a setting is unknown or out of range.
        CheckpointError: the hidden folder holds the work of other pictures, or another process writes there.
    """
    work, name = work_folder(out), Path(out).absolute().name
    with _locked(work, name) if work.is_dir() else nullcontext():
        put_back(out)
        earlier = finished_earlier(work, settings, out)
    if earlier is not None:
        _announce(earlier.guesses, announce)
        return earlier
    check_target(out, overwrite=overwrite)
    image_extractor = checked_extractor("image", settings.image_extractor, settings.image_settings)
    text_extractor = checked_extractor("text", settings.text_extractor, settings.text_settings)
    plan = make_plan(settings, tokens=text_extractor.length > 0, progress=progress)
    guesses = guesses_in(plan)
    _announce(guesses, announce)
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make the work folder {work}: {error.strerror or error}") from error
    with _locked(work, name):
        image_extractor, image_saved = fitted(image_extractor, (), work)
        images = _extract_images(settings, plan, image_extractor, work, workers=workers, progress=progress)
        kept, image_rows, lost = _without_lost(plan, images)
        check_classes(plan.names, plan.labels[kept], plan.split[kept], plan.label_sets, source=settings.table)
        texts = caption_rows([plan.pairs.captions[pair] for pair in kept], policy=settings.captions)
        fit_on = _fit_texts(texts, kept, plan)
        text_extractor, text_saved = fitted(text_extractor, fit_on, work)
        written = extract(
            text_extractor,
            texts.texts,
            work,
            ids=[plan.pairs.ids[pair] for pair in kept[texts.owners]],
            batch_size=settings.batch_size,
            workers=workers,
            progress=progress,
        )
        dataset = _dataset(settings, plan, kept, image_rows, images, texts, written, work, name)
        skipped = (*plan.pairs.skipped, *lost)
        empty = zero_rows(dataset.text)
        recipe = {
            **make_recipe(settings, plan, skipped=skipped),
            "image_extractor": extractor_record(image_extractor, fit_on=(), plan=plan),
            "text_extractor": extractor_record(text_extractor, fit_on=fit_on, plan=plan) | {"rows_of_zeros": empty},
            **settings.recipe,
        }
        counts, notes = counts_of(dataset), notes_on(dataset, rows_of_zeros=empty, skipped=len(skipped))
        prepared = Prepared(Path(out), counts, guesses, notes, skipped)
        finish(
            work,
            settings,
            prepared,
            overwrite=overwrite,
            dataset=dataset,
            licence=settings.licence,
            source=settings.source or Path(settings.table).name,
            recipe=recipe,
            extra_files=saved_files(image_saved, "image") | saved_files(text_saved, "text"),
        )
    return prepared


def _locked(work: Path, name: str) -> Journal:
    """A journal for its lock: one process at a time."""
    return Journal(work / LOCK, {"bundle": name})


def _announce(guesses: tuple[str, ...], announce: Callable[[str], None] | None) -> None:
    for guess in guesses:
        if announce is not None:
            announce(guess)


def _extract_images(
    settings: Preparation, plan: Plan, extractor: Extractor, work: Path, *, workers: int | None, progress: bool
) -> WrittenFeatures:
    """Features of each sound picture, once, however many pairs it stands in."""
    files = tuple(file for file in dict.fromkeys(plan.pairs.images) if file not in plan.damaged)
    return extract(
        extractor,
        [Path(settings.images) / file for file in files],
        work,
        ids=files,
        batch_size=settings.batch_size,
        workers=workers,
        on_error=settings.on_error,
        progress=progress,
    )


def _without_lost(plan: Plan, images: WrittenFeatures) -> tuple[NDArray[np.intp], NDArray[np.intp], list[str]]:
    """Pairs whose picture could be read, its row among the features, and a line for each of the others."""
    row_of = {file: row for row, file in enumerate(images.ids)}
    reasons = {failure.id: failure.reason for failure in images.skipped} | dict(plan.damaged)
    pairs = plan.pairs
    kept = [pair for pair, file in enumerate(pairs.images) if file in row_of]
    lost = [
        f"{place}: {reasons[file]}" for place, file in zip(pairs.places, pairs.images, strict=True) if file in reasons
    ]
    rows = [row_of[pairs.images[pair]] for pair in kept]
    return np.array(kept, dtype=np.intp), np.array(rows, dtype=np.intp), lost


def _fit_texts(texts: CaptionRows, kept: NDArray[np.intp], plan: Plan) -> list[str]:
    """Texts of the training pairs, and of them those of seen classes alone where there is a class split."""
    chosen = plan.split[kept] != "test"
    if plan.class_split is not None:
        chosen &= only_of(plan.class_split.seen, plan.labels, plan.label_sets)[kept]
    fit_on = [text for text, owner in zip(texts.texts, texts.owners, strict=True) if chosen[owner]]
    if not fit_on:
        raise DataError("no text to fit the text extractor on: no training pair of a seen class; check the splits")
    return fit_on


def _dataset(
    settings: Preparation,
    plan: Plan,
    kept: NDArray[np.intp],
    image_rows: NDArray[np.intp],
    images: WrittenFeatures,
    texts: CaptionRows,
    written: WrittenFeatures,
    work: Path,
    name: str,
) -> PairedDataset:
    """Bring everything to one row a pair."""
    each = settings.captions == "each"
    owners = texts.owners if each else np.arange(len(kept))
    rows, pairs, features = kept[owners], plan.pairs, written.load()
    together = plan.together[rows]
    ids = [pairs.ids[row] for row in rows]
    if each and len(set(ids)) < len(ids):
        nth = np.arange(len(owners)) - np.searchsorted(owners, owners)
        ids = [f"{own}#{number}" for own, number in zip(ids, nth, strict=True)]
    shown = texts.texts
    if not each:
        ends = np.searchsorted(texts.owners, np.arange(len(kept) + 1))
        shown = tuple(" ".join(shown[a:b]) for a, b in pairwise(ends))
    hanging = len(np.unique(together)) < len(together)
    return PairedDataset(
        name=settings.name or name,
        image=gather_rows(images.load().values, image_rows[owners], work / "rows", "image", dtype=settings.dtype),
        text=pool_rows(features.values, texts, work / "rows", "text", dtype=settings.dtype),
        text_mask=features.mask,
        labels=plan.labels[rows],
        class_names=plan.names,
        class_embeddings=plan.class_vectors,
        label_sets=None if plan.label_sets is None else plan.label_sets[rows],
        ids=np.array(ids),
        split=plan.split[rows],
        groups=together.astype(np.str_) if hanging else None,
        texts=np.array(shown),
        image_paths=np.array([pairs.images[row] for row in rows]),
    )
