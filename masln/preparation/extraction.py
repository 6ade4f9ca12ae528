"""Features of pictures and texts in a work folder, each step under a name of what it is made from.

A step that a kill cut short goes on where it stopped; one whose settings have changed begins anew, beside the others,
so that a wrong setting of the texts costs no picture.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from masln.errors import ConfigError
from masln.features import (
    Extractor,
    WrittenFeatures,
    extractor_names,
    load_extractor,
    make_extractor,
    write_features,
)
from masln.saving import CONFIG

__all__ = ["checked_extractor", "extract", "fitted", "saved_files"]


def checked_extractor(modality: str, name: str, settings: Mapping[str, Any]) -> Extractor:
    """Make an extractor and find what is wrong with it before any work.

    Raises:
        ConfigError: it, or a hyper-parameter, is unknown, or it is one of the other modality.
        MissingExtraError: a package is not installed.
    """
    extractor = make_extractor(name, **settings)
    if extractor.modality != modality:
        known = ", ".join(extractor_names(modality))
        raise ConfigError(f"{extractor.name} extracts features of {extractor.modality}s; of {modality}s: {known}")
    extractor.check()
    if not extractor.learns:
        _ = extractor.hash  # finds missing packages and files
    return extractor


def fitted(extractor: Extractor, texts: Sequence[str], work: Path) -> tuple[Extractor, Path]:
    """Fit where the extractor learns, or load what an earlier run of the same has fitted.

    Args:
        extractor: Unfitted.
        texts: What to fit on.
        work: The work folder.

    Returns:
        The fitted extractor and the folder in which it is saved.
    """
    told = [extractor.name, extractor._identity()]
    if extractor.learns:
        told.append(texts)
    folder = work / f"{extractor.modality}-extractor-{_key(told)}"
    if (folder / CONFIG).is_file():  # written last
        return load_extractor(folder), folder
    extractor.fit(texts)
    extractor.save(folder)
    return extractor, folder


def extract(
    extractor: Extractor,
    items: Sequence[Any],
    work: Path,
    *,
    ids: Sequence[str],
    batch_size: int,
    workers: int | None,
    on_error: str = "fail",
    progress: bool = False,
) -> WrittenFeatures:
    """Write the features of all items, or go on with them; see ``write_features``."""
    key = _key([extractor.hash, batch_size, [str(item) for item in items]])
    return write_features(
        extractor,
        items,
        work / f"{extractor.modality}-{key}",
        name=extractor.modality,
        ids=ids,
        batch_size=batch_size,
        workers=workers,
        on_error=on_error,
        progress=progress,
    )


def saved_files(folder: Path, modality: str) -> dict[str, Path]:
    """The files of a saved extractor, by their path in the bundle."""
    return {
        f"extractors/{modality}/{file.name}": file
        for file in sorted(folder.iterdir())
        if file.is_file() and not file.name.startswith(".")
    }


def _key(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
