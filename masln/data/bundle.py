"""Bundles: a prepared dataset as a folder of arrays and a manifest; atomic to write, hash-checked on request."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln._version import __version__
from masln.data.bundle_folder import MANIFEST, check_target, put_back, put_in_place
from masln.data.paired import PairedDataset
from masln.data.sequences import row_blocks
from masln.errors import DataError

__all__ = ["bundle_hash", "file_sha256", "fill_bundle", "read_bundle", "write_bundle"]

FORMAT = 1
_ARRAYS = ("image", "text", "text_mask", "labels", "class_embeddings", "label_sets")
_COLUMNS = {"id": "ids", "text": "texts", "image_path": "image_paths", "split": "split", "group": "groups"}


def write_bundle(
    directory: str | Path,
    dataset: PairedDataset,
    *,
    licence: str,
    source: str,
    recipe: Mapping[str, Any],
    extra_files: Mapping[str, str | Path] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a dataset as a bundle: into a temporary folder first, renamed when whole.

    Args:
        directory: The bundle's folder; its parent is made when missing.
        dataset: What to write; it must be finite.
        licence: Under which terms the data may be used.
        source: Where the raw data came from.
        recipe: What made the features, and its parameters; JSON-able.
        extra_files: Further files by their path in the bundle, such as ``LICENSES.md``: a text, or a file to copy.
        overwrite: Replace a bundle that is already there.

    Returns:
        The bundle's folder.

    Raises:
        DataError: the folder exists, features are not finite, or the disk refuses.
    """
    target = Path(directory)
    put_back(target)
    check_target(target, overwrite=overwrite)
    parent = target.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=parent))
    except OSError as error:
        raise DataError(f"cannot write the bundle {target}: {error.strerror or error}") from error
    try:
        fill_bundle(temporary, dataset, licence=licence, source=source, recipe=recipe, extra_files=extra_files)
        temporary.chmod(0o755)
        put_in_place(temporary, target)
    except OSError as error:
        raise DataError(f"cannot write the bundle {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def fill_bundle(
    folder: Path,
    dataset: PairedDataset,
    *,
    licence: str,
    source: str,
    recipe: Mapping[str, Any],
    extra_files: Mapping[str, str | Path] | None = None,
) -> None:
    """Write the files of a bundle into an empty folder, the manifest last.

    Args:
        folder: Where to.
        dataset: As of ``write_bundle``, like the following.
        licence: Under which terms.
        source: Where from.
        recipe: What made it.
        extra_files: Further files.

    Raises:
        DataError: features are not finite.
        OSError: the disk refuses.
    """
    dataset.require_finite()
    facts = {"licence": licence, "source": source, "recipe": dict(recipe)}
    extra_files = extra_files or {}
    files: dict[str, dict[str, Any]] = {}
    for name in _ARRAYS:
        values = getattr(dataset, name)
        if values is not None:
            np.save(folder / f"{name}.npy", np.ascontiguousarray(values), allow_pickle=False)
            files[f"{name}.npy"] = {"shape": list(values.shape), "dtype": str(values.dtype)}
    columns = {key: values for key, field in _COLUMNS.items() if (values := getattr(dataset, field)) is not None}
    with (folder / "pairs.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    files["pairs.csv"] = {}
    for name, content in extra_files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, folder / name)
        else:
            (folder / name).write_text(content, encoding="utf-8")
        files[name] = {}
    for name in files:
        files[name] = {"sha256": file_sha256(folder / name)} | files[name]
    manifest = {"format": FORMAT, "name": dataset.name, **facts, "masln": __version__}
    manifest |= {"class_names": list(dataset.class_names), "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_bundle(directory: str | Path, *, verify: bool = False, mmap: bool = True) -> PairedDataset:
    """Read a bundle; features stay on disk, memory-mapped, until they are used.

    Args:
        directory: The bundle's folder.
        verify: Recompute the SHA-256 of every file and compare with the manifest.
        mmap: Map feature arrays instead of reading them.

    Raises:
        DataError: not a bundle, a file is missing, truncated, of another shape, or (``verify``) changed.
    """
    folder = Path(directory)
    manifest = _read_manifest(folder)
    files = manifest["files"]
    if verify:
        for name, facts in files.items():
            if not (folder / name).is_file() or file_sha256(folder / name) != facts["sha256"]:
                raise DataError(f"{folder / name} does not match its hash in {MANIFEST}; make the bundle again")
    arrays = {
        name: _read_array(folder / f"{name}.npy", files[f"{name}.npy"], mmap=mmap and name in ("image", "text"))
        for name in _ARRAYS
        if f"{name}.npy" in files
    }
    for required in ("image", "text", "labels"):
        if required not in arrays:
            raise DataError(f"{folder / MANIFEST} lists no {required}.npy; make the bundle again")
    return PairedDataset(
        name=manifest["name"],
        class_names=tuple(manifest["class_names"]),
        manifest=manifest,
        **arrays,
        **_read_pairs(folder / "pairs.csv"),
    )


def bundle_hash(dataset: PairedDataset) -> str:
    """First 12 hexadecimal digits that identify a dataset's content.

    Of a bundle, the digest of its manifest's file hashes; of arrays in memory, of their bytes.
    """
    digest = hashlib.sha256()
    files = dataset.manifest.get("files")
    if files and len(dataset) == files["labels.npy"]["shape"][0]:
        for name in sorted(files):
            digest.update(f"{name} {files[name]['sha256']}\n".encode())
    else:
        for name in (*_ARRAYS, "split"):
            if (values := getattr(dataset, name)) is not None:
                for rows in row_blocks(values):  # in blocks: features may be memory-mapped
                    digest.update(np.ascontiguousarray(values[rows]).tobytes())
    return digest.hexdigest()[:12]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"{folder} is no bundle: it has no {MANIFEST}; make one with data_prep, or check the path")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); make the bundle again") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f"{path} is not of bundle format {FORMAT}; make the bundle again with this version")
    for key in ("name", "class_names", "files"):
        if key not in manifest:
            raise DataError(f"{path} lacks the key {key!r}; make the bundle again")
    return manifest


def _read_array(path: Path, facts: Mapping[str, Any], *, mmap: bool) -> NDArray[Any]:
    try:
        values: NDArray[Any] = np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = "missing" if not path.exists() else f"truncated or not an array ({error})"
        raise DataError(f"{path} is {reason}; make the bundle again") from error
    if list(values.shape) != facts["shape"] or str(values.dtype) != facts["dtype"]:
        raise DataError(
            f"{path} is {values.dtype} {values.shape} but {MANIFEST} says {facts['dtype']} "
            f"{tuple(facts['shape'])}; make the bundle again"
        )
    return values


def _read_pairs(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            header, *lines = csv.reader(stream)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 CSV ({error}); make the bundle again") from error
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise DataError(f"{path} line {number} has {len(line)} fields, the header {len(header)}")
    columns: dict[str, Any] = {}
    for name, values in zip(header, zip(*lines, strict=True), strict=True) if lines else ():
        with suppress(KeyError):
            columns[_COLUMNS[name]] = values
    return columns
