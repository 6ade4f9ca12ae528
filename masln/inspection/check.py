"""The whole report on what could flatter a result: the leakage report, and near-duplicate pictures and texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.data import PairedDataset, leakage_report
from masln.errors import MissingExtraError
from masln.features import HASH_BITS, require_fingerprints
from masln.inspection.kinds import NearDuplicates, NearPairs, kinds_of
from masln.inspection.near_images import near_fingerprints, read_fingerprints, unpack_fingerprints
from masln.inspection.near_texts import near_texts, normal_text
from masln.inspection.pictures import Pictures, find_pictures

__all__ = ["check_dataset"]

_EXAMPLES = 5
_KEYS = (
    "test_{}s_repeated_in_training",
    "test_{}s_near_training",
    "share_of_test_{}s_near_training",
    "near_duplicate_{}s",
    "nearest_{}s_across_the_split",
)


def check_dataset(
    dataset: PairedDataset, *, images: str | Path | None = None, progress: bool = False
) -> dict[str, Any]:
    """Count what could flatter a result, near-duplicates included.

    Args:
        dataset: What to look at.
        images: The folder that its image paths are below; by default the one that the manifest names.
        progress: Show bars, where standard error is a terminal.

    Returns:
        What ``leakage_report`` returns, and for pictures and texts (``..text..`` instead of ``..image..``):
        ``test_images_repeated_in_training`` (test pairs whose picture looks the same as one in training: equal hash and
        thumbnail; whose text is equal but for capitals and punctuation); ``test_images_near_training`` (test pairs with
        a near-duplicate in training, those included; ``near_images`` and ``near_texts`` say how near that is);
        ``share_of_test_images_near_training`` (of the test pairs compared); ``near_duplicate_images`` (pairs whose
        picture is the same as that of an earlier pair, or near it, whatever the split);
        ``nearest_images_across_the_split`` (the strongest examples: test id, training id and how near).
        ``pictures_not_read`` holds a line for each that is missing or damaged. Where there is no split, what is across
        it is None. Where pictures are not at hand ``test_images_near_training`` says so and the rest of theirs is None;
        likewise for texts where there are none.

    Raises:
        DataError: ``images`` is no folder of pictures.
        ConfigError: ``images`` is given, and the dataset names no pictures.
        MissingExtraError: ``images`` is given, and pictures cannot be compared.
    """
    pictures = find_pictures(dataset, images)
    return leakage_report(dataset) | _image_report(dataset, pictures, progress) | _text_report(dataset, progress)


def _image_report(dataset: PairedDataset, pictures: Pictures, progress: bool) -> dict[str, Any]:
    why_not = pictures.why_not
    if not why_not:
        try:
            require_fingerprints()
        except MissingExtraError as error:
            if pictures.asked:
                raise
            why_not = str(error)
    if why_not:
        return _unchecked("image", why_not) | {"pictures_not_read": None}
    assert dataset.image_paths is not None
    paths = dataset.image_paths.tolist()
    names = list(dict.fromkeys(paths))
    found, unread = read_fingerprints(pictures, names, progress=progress)
    not_read = {"pictures_not_read": list(unread.values())}
    fingerprints = dict(zip(names, found, strict=True))
    if len(unread) == len(names):
        return _unchecked("image", f"none of {len(names)} pictures could be read") | not_read
    kinds = kinds_of(fingerprints[path] for path in paths)
    distinct = list(dict.fromkeys(value for value in found if value is not None))
    pairs = near_fingerprints(unpack_fingerprints(distinct), progress=progress)
    return _report("image", dataset, kinds, pairs, lambda bits: f"{bits:.0f} of {HASH_BITS} bits") | not_read


def _text_report(dataset: PairedDataset, progress: bool) -> dict[str, Any]:
    if dataset.texts is None:
        return _unchecked("text", "no raw texts")
    normal = [normal_text(text) for text in dataset.texts.tolist()]
    distinct = list(dict.fromkeys(text for text in normal if text))
    kinds = kinds_of(text or None for text in normal)
    pairs = near_texts(distinct, progress=progress)
    return _report("text", dataset, kinds, pairs, lambda distance: f"{1 - distance:.2f}")


def _unchecked(modality: str, why_not: str) -> dict[str, Any]:
    report: dict[str, Any] = dict.fromkeys(key.format(modality) for key in _KEYS)
    return report | {f"test_{modality}s_near_training": f"not checked ({why_not})"}


def _report(
    modality: str,
    dataset: PairedDataset,
    kinds: NDArray[np.intp],
    pairs: Iterable[NearPairs],
    words: Callable[[float], str],
) -> dict[str, Any]:
    in_test = np.zeros(len(dataset), dtype=bool) if dataset.split is None else dataset.split == "test"
    found = NearDuplicates(kinds, in_test)
    for some in pairs:
        found.add(some)
    ids = dataset.ids
    assert ids is not None
    near = len(found.test_rows())
    values: tuple[Any, ...] = (None, None, None, found.later_copies, None)
    if dataset.split is not None:
        values = (
            len(found.test_rows(same=True)),
            near,
            near / found.compared if found.compared else None,
            found.later_copies,
            [f"{ids[test]} ~ {ids[train]} ({words(distance)})" for test, train, distance in found.strongest(_EXAMPLES)],
        )
    return {key.format(modality): value for key, value in zip(_KEYS, values, strict=True)}
