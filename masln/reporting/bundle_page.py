"""The page of ``masln data show``: pairs of each class with their pictures and texts, in one file that needs none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from masln.data import (
    PairedDataset,
    bundle_hash,
    carried_counts_of,
    counts_of,
    labels_per_pair,
    leakage_report,
)
from masln.errors import DataError
from masln.progress import progress_bar
from masln.reporting.counts import count_rows, count_totals
from masln.reporting.pages import render_page
from masln.reporting.tables import format_cell, print_table
from masln.reporting.thumbnails import Thumbnail, thumbnail_of

if TYPE_CHECKING:
    from masln.inspection import Pictures

__all__ = ["BundlePage", "make_bundle_page", "print_bundle_page"]

_TEXT_SEEN = 240  # characters of a text before the rest is folded; ours, some six lines of a card
_TEXT_MOST = 5000  # characters of a text at all: a page of long articles must still open on a phone; ours
_FACT = 120  # characters of a recipe's value in the summary; ours, two lines
_UNREAD_MOST = 5  # lines on the terminal
_NAMES_MOST = 12  # of classes in a warning; the table has them all
_RECIPE_MOST = 20_000  # characters of the whole recipe; ours


@dataclass(frozen=True)
class BundlePage:
    """A page and what it came to.

    Attributes:
        html: The file's content, in UTF-8.
        counts: Pairs of each class, the main one where they carry several, by part of the split.
        carried: Pairs that carry each class at all, likewise; None where each pair has one class.
        shown: Ids of the pairs that are shown, by class.
        notes: What a person should know: why there are no pictures, how pairs of several classes are counted, what the
            leakage report warns of.
        unread: A line for each picture that could not be shown.
    """

    html: bytes
    counts: dict[str, dict[str, int]]
    carried: dict[str, dict[str, int]] | None
    shown: dict[str, list[str]]
    notes: tuple[str, ...]
    unread: tuple[str, ...]


def make_bundle_page(
    dataset: PairedDataset, drawn: Sequence[NDArray[np.intp]], pictures: Pictures, *, progress: bool = False
) -> BundlePage:
    """Make the page; a picture that cannot be read is told in its place.

    Args:
        dataset: A bundle.
        drawn: For each class, the rows to show.
        pictures: Where its pictures are, or why they are not at hand.
        progress: Show a bar, where standard error is a terminal.
    """
    counts, carried = counts_of(dataset), carried_counts_of(dataset)
    classes: list[dict[str, Any]] = []
    with progress_bar("pairs", sum(map(len, drawn)), show=progress) as advance:
        for number, (name, rows) in enumerate(zip(dataset.class_names, drawn, strict=True)):
            cards = []
            for row in rows.tolist():
                cards.append(_card(dataset, row, pictures))
                advance()
            count = f"{len(rows)} of {sum(counts[name].values())}"
            if carried is not None:
                count += f", carried by {sum(carried[name].values())}"
            classes.append({"number": number, "name": name, "count": count, "cards": cards})
    warnings = _warnings(leakage_report(dataset, features=False), has_split=dataset.split is not None)
    without = f"no pictures: {pictures.why_not}" if pictures.why_not else ""
    several = _several(dataset)
    rows_of_table = count_rows(counts, carried)
    html = render_page(
        "bundle.html",
        name=dataset.name,
        facts=_facts(dataset),
        recipe=_cut(json.dumps(dataset.manifest.get("recipe"), indent=2, ensure_ascii=False), _RECIPE_MOST),
        warnings=warnings,
        without=without,
        several=several,
        columns=list(rows_of_table[0]),
        rows=[[format_cell(value) for value in row.values()] for row in rows_of_table],
        classes=classes,
    )
    return BundlePage(
        html=html,
        counts=counts,
        carried=carried,
        shown={shown["name"]: [card["id"] for card in shown["cards"]] for shown in classes},
        notes=tuple(filter(None, (without, several, *warnings))),
        unread=tuple(card["unread"] for shown in classes for card in shown["cards"] if card["unread"]),
    )


def print_bundle_page(page: BundlePage, target: Path, *, as_json: bool = False, quiet: bool = False) -> None:
    """Print the counts of a page to standard output.

    Args:
        page: What was made.
        target: Where it was written.
        as_json: Print one JSON object instead, with the ids that are shown.
        quiet: Print the table alone.
    """
    if as_json:
        value = {
            "page": str(target),
            "counts": page.counts,
            "totals": count_totals(page.counts),
            "carried": page.carried,
            "shown": page.shown,
            "notes": list(page.notes),
            "pictures_not_read": list(page.unread),
        }
        print(json.dumps(value, indent=1))
        return
    notes = [*page.notes, *(f"not shown: {line}" for line in page.unread[:_UNREAD_MOST])]
    if len(page.unread) > _UNREAD_MOST:
        notes.append(f"{len(page.unread) - _UNREAD_MOST} more pictures are not shown; the page says why")
    shown = sum(map(len, page.shown.values()))
    notes.append(f"page: {target} ({shown} pairs, {len(page.html) / 1e6:.1f} MB)")
    print_table(count_rows(page.counts, page.carried), notes=() if quiet else notes)


def _card(dataset: PairedDataset, row: int, pictures: Pictures) -> dict[str, Any]:
    assert dataset.ids is not None
    picture: Thumbnail | None = None
    unread = ""
    if not pictures.why_not:
        assert dataset.image_paths is not None
        try:
            picture = thumbnail_of(pictures.path(str(dataset.image_paths[row])))
        except DataError as error:
            unread = str(error)
    also: list[str] = []
    if dataset.label_sets is not None:
        others = np.flatnonzero(dataset.label_sets[row])
        also = [dataset.class_names[label] for label in others.tolist() if label != dataset.labels[row]]
    text = "" if dataset.texts is None else str(dataset.texts[row]).strip()
    text = _cut(text, _TEXT_MOST)
    folded = len(text) > _TEXT_SEEN
    return {
        "id": str(dataset.ids[row]),
        "part": "" if dataset.split is None else str(dataset.split[row]),
        "picture": picture,
        "unread": unread,
        "also": also,
        "text": _cut(text, _TEXT_SEEN) if folded else text,
        "whole": text if folded else "",
    }


def _several(dataset: PairedDataset) -> str:
    """How pairs of several classes are counted; nothing where each has one."""
    if dataset.label_sets is None:
        return ""
    mean, several = labels_per_pair(dataset.label_sets)
    return f"{several} pairs carry several classes ({mean:.2f} a pair); they are counted and shown under the main one"


def _facts(dataset: PairedDataset) -> dict[str, str]:
    manifest = dataset.manifest
    facts = {
        "hash": bundle_hash(dataset),
        "pairs": len(dataset),
        "classes": len(dataset.class_names),
        "licence": manifest.get("licence"),
        "source": manifest.get("source"),
        "image features": f"{dataset.image.dtype} {dataset.image.shape}",
        "text features": f"{dataset.text.dtype} {dataset.text.shape}",
        "made by masln": manifest.get("masln"),
    }
    recipe = manifest.get("recipe")
    for key, value in recipe.items() if isinstance(recipe, Mapping) else ():
        if words := _in_words(value):
            facts[f"recipe: {str(key).replace('_', ' ')}"] = _cut(words, _FACT)
    return {key: format_cell(value) for key, value in facts.items()}


def _in_words(value: Any) -> str:
    """A value of a recipe, or of a part of one what it is called; nothing for what is switched off."""
    if isinstance(value, Mapping):
        called = next((value[key] for key in ("name", "kind", "rule", "file") if isinstance(value.get(key), str)), None)
        return called or ", ".join(f"{key}: {words}" for key, part in value.items() if (words := _in_words(part)))
    if isinstance(value, list):
        return ", ".join(words for part in value if (words := _in_words(part)))
    return "" if value is None or value is False else format_cell(value)


def _cut(text: str, most: int) -> str:
    """The beginning of a text, up to a space where there is one."""
    return text if len(text) <= most else f"{text[:most].rsplit(None, 1)[0]} …"


def _warnings(report: Mapping[str, Any], *, has_split: bool) -> list[str]:
    """What the leakage report found, in words."""
    found = []
    if not has_split:
        found.append("the bundle has no official split: nothing is set apart for the test")
    elif report["classes_without_test_pair"]:
        found.append(f"classes without a test pair: {_listed(report['classes_without_test_pair'])}")
    if report["classes_with_few_pairs"]:
        found.append(f"classes with few pairs: {_listed(report['classes_with_few_pairs'])}")
    if report.get("groups_parted"):
        found.append(f"{report['groups_parted']} groups have pairs in training and in test")
    if report["texts_naming_their_class"]:
        found.append(f"{report['texts_naming_their_class']} of {report['pairs']} texts name their class")
    if report["class_embeddings"] == "absent":
        found.append("there are no class embeddings")
    elif report["class_embeddings"] != "complete":
        found.append(f"classes without a class embedding: {_listed(report['class_embeddings'])}")
    return found


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_MOST} more" if len(names) > _NAMES_MOST else ""
    return ", ".join(names[:_NAMES_MOST]) + more
