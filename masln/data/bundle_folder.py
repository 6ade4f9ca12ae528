"""The folder that a bundle stands in: whether one may be put there, and how it gets there whole."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from masln.errors import DataError

__all__ = ["MANIFEST", "check_target", "put_back", "put_in_place", "set_aside"]

MANIFEST = "manifest.json"


def check_target(directory: str | Path, *, overwrite: bool = False) -> None:
    """See before the work whether a bundle may be written there.

    Raises:
        DataError: something is there that is not to be replaced, or is no bundle.
    """
    target = Path(directory)
    if target.exists() and not overwrite:
        raise DataError(f"{target} exists; choose another folder or ask to overwrite it")
    if target.exists() and not (target / MANIFEST).is_file():
        raise DataError(f"{target} exists and is no bundle; it is left as it is: choose another folder")


def set_aside(directory: str | Path) -> Path:
    """Where the bundle of a folder lies while another takes its place, and stays only if a kill came in between."""
    target = Path(directory).absolute()
    return target.with_name(f".{target.name}.replaced")


def put_in_place(folder: Path, directory: str | Path) -> None:
    """Give a bundle that is whole its name; one that has it already is replaced.

    A folder cannot be renamed onto another, so the older one steps aside first. A kill between the two renames leaves
    it there, whence ``put_back`` takes it: neither bundle is ever lost, nor is half of one seen.

    Args:
        folder: The whole bundle, on the same disk.
        directory: The name it is to have.

    Raises:
        OSError: the disk refuses; what stood there stands there still.
    """
    target, aside = Path(directory), set_aside(directory)
    if not target.exists():
        os.replace(folder, target)
        return
    _remove(aside)
    os.replace(target, aside)
    try:
        os.replace(folder, target)
    finally:
        put_back(target)


def put_back(directory: str | Path) -> None:
    """Mend what a kill within ``put_in_place`` left: the older bundle gets its name back if the newer has not got it.

    Raises:
        DataError: the disk refuses.
    """
    target, aside = Path(directory), set_aside(directory)
    if not target.exists() and (aside / MANIFEST).is_file():
        try:
            os.replace(aside, target)
        except OSError as error:
            raise DataError(
                f"cannot rename {aside}, which a killed run set aside, to {target}: {error.strerror or error}"
            ) from error
    else:
        _remove(aside)


def _remove(bundle: Path) -> None:
    """Delete a bundle, its manifest first: what a kill leaves of it is none."""
    if not bundle.exists():
        return
    with suppress(OSError):
        (bundle / MANIFEST).unlink()
    shutil.rmtree(bundle, ignore_errors=True)
