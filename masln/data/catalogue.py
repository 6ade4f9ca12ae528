"""Datasets by name: the bundled ones, or a bundle folder given by path."""

from __future__ import annotations

from pathlib import Path

from masln.data.bundle import read_bundle
from masln.data.bundle_folder import MANIFEST, set_aside
from masln.data.paired import PairedDataset
from masln.errors import DataError, unknown_name

__all__ = ["DEFAULT_DATASET", "bundled_datasets", "find_bundle", "load_dataset"]

DEFAULT_DATASET = "emoji"
_BUNDLED = Path(__file__).parent / "bundled"


def bundled_datasets() -> dict[str, Path]:
    """Name and folder of every dataset that ships with the package."""
    return {path.parent.name: path.parent for path in sorted(_BUNDLED.glob(f"*/{MANIFEST}"))}


def find_bundle(name_or_path: str | Path) -> Path:
    """Resolve the name of a bundled dataset, or the path of a bundle folder.

    Raises:
        DataError: neither is there.
    """
    known = bundled_datasets()
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    path = Path(name_or_path)
    if path.is_dir():
        return path
    if (aside := set_aside(path)).is_dir():
        raise DataError(f"{path} was being replaced when a run was killed; run it again, or rename {aside} to {path}")
    raise DataError(f"{unknown_name('dataset', str(name_or_path), known)}, or the path of a bundle folder")


def load_dataset(
    name_or_path: str | Path = DEFAULT_DATASET, *, verify: bool = False, mmap: bool = True
) -> PairedDataset:
    """Load a dataset by bundled name or bundle path; see ``read_bundle`` for the options and errors."""
    return read_bundle(find_bundle(name_or_path), verify=verify, mmap=mmap)
