"""Arrays in files: `FILE.npy`, `FILE.npz:key`, `FILE.csv:column` (without pickle), and MATLAB matrices."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.errors import DataError

Array = NDArray[Any]
FORMS = "FILE.npy, FILE.npz:key or FILE.csv:column"


def read_array(reference: str | Path) -> Array:
    """Read the array that a reference names.

    Args:
        reference: `FILE.npy` (memory-mapped), `FILE.npz:key`, `FILE.npz` when it holds one array only, or
            `FILE.csv:column[,column...]` (one column gives (n,), several give (n, columns)).

    Returns:
        The array, of the type it was saved in; text columns as `str`.

    Raises:
        DataError: If the file is missing or broken, the key or column is unknown (the nearest is named), or the
            array could only be loaded with pickle.
    """
    file, key = _split_reference(str(reference))
    if not file.is_file():
        raise DataError(f"no such file: {file}; name arrays as {FORMS}")
    suffix = file.suffix.lower()
    if suffix == ".npy":
        if key:
            raise DataError(f"{file}: a .npy file holds one array and has no key {key!r}; leave the key out")
        return _load(file)
    if suffix == ".npz":
        return _read_npz(file, key)
    if suffix == ".csv":
        return _read_csv(file, key)
    raise DataError(f"{file}: unknown kind of file {suffix or '(no suffix)'!r}; use {FORMS}")


def read_mat(file: str | Path, *keys: str) -> dict[str, Array]:
    """Read matrices of a MATLAB file (up to v7).

    Args:
        file: The `.mat`.
        keys: The matrices wanted.

    Returns:
        Them by name.

    Raises:
        DataError: the file is missing, broken or of MATLAB v7.3 (HDF5), or lacks a matrix; in one line.
    """
    import scipy.io

    if not Path(file).is_file():
        raise DataError(f"no such file: {file}")
    try:
        read: dict[str, Any] = scipy.io.loadmat(str(file), variable_names=keys)
    except NotImplementedError:
        raise DataError(
            f"{file}: a MATLAB v7.3 file (HDF5), which scipy does not read; save it again in MATLAB by save(..., '-v7')"
        ) from None
    except Exception as error:  # scipy raises several kinds for a broken file
        raise DataError(f"{file}: not a readable MATLAB file ({error}); get it again") from None
    if lacking := [key for key in keys if key not in read]:
        raise DataError(f"{file}: no matrix {', '.join(lacking)}; get the file again")
    return {key: np.asarray(read[key]) for key in keys}


def as_feature(values: Array, what: str, *, dtype: str | None = None) -> Array:
    """Bring a feature matrix to float16 or float32 without losing a value.

    Args:
        values: Numbers, (n, d) or (n, parts, d).
        what: What they are, for the message.
        dtype: `float16` or `float32`; by default floats of those kinds stay, 8-bit counts become float16 (exact up to
            2,048) and everything else float32.

    Returns:
        The features; the same array where nothing has to change.

    Raises:
        DataError: If the values are not numbers, or overflow the type.
    """
    if values.dtype.kind not in "biuf":
        raise DataError(f"{what}: features must be numbers, these are {values.dtype}; give a numeric array")
    if dtype is None:
        kept = values.dtype in (np.dtype(np.float16), np.dtype(np.float32))
        dtype = values.dtype.name if kept else "float16" if values.dtype.itemsize == 1 else "float32"
    with np.errstate(over="ignore"):
        feature = values.astype(dtype, copy=False)
    overflown = np.argwhere(~np.isfinite(feature) & np.isfinite(values)) if feature is not values else np.empty((0, 1))
    if len(overflown):
        raise DataError(f"{what}: row {int(overflown[0][0])} overflows {dtype}; choose --dtype float32")
    return feature


def as_text(values: Array, what: str) -> NDArray[np.str_]:
    """Bring ids, raw texts or names to `str`, and refuse bytes.

    Args:
        values: (n,) of text or whole numbers.
        what: What they are, for the message.

    Returns:
        (n,) of `str`.

    Raises:
        DataError: If the values are bytes or of another kind.
    """
    if values.dtype.kind == "O" and all(isinstance(value, str) for value in values.ravel()):
        return values.astype(np.str_)
    if values.dtype.kind == "S" or any(isinstance(value, bytes) for value in values.ravel()[:1].tolist()):
        raise DataError(f"{what}: bytes where text is wanted; decode them first, e.g. values.astype(str)")
    if values.dtype.kind not in "Uiu":
        raise DataError(f"{what}: text or whole numbers are wanted, these are {values.dtype}")
    return values.astype(np.str_)


def _split_reference(reference: str) -> tuple[Path, str]:
    """Part `FILE.npz:key` at the colon behind the suffix, so that a colon in a folder's name does no harm."""
    for suffix in (".npz:", ".csv:", ".npy:"):
        at = reference.lower().rfind(suffix)
        if at >= 0:
            return Path(reference[: at + 4]), reference[at + 5 :]
    return Path(reference), ""


def _load(file: Path) -> Array:
    try:
        values = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{file}: not readable without pickle ({error}); save it with numpy.save") from None
    if not isinstance(values, np.ndarray):
        raise DataError(f"{file}: holds several arrays; name it FILE.npz:key")
    return values


def _read_npz(file: Path, key: str) -> Array:
    try:
        with np.load(file, allow_pickle=False) as archive:
            names = list(archive.files)
            if not key and len(names) == 1:
                key = names[0]
            if key not in names:
                wanted = f"no array {key!r}" if key else "name the array as FILE.npz:key"
                raise DataError(f"{file}: {wanted}; {_nearest(key, names)}")
            values: Array = archive[key]
            return values
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and numpy each raise their own kind for a truncated archive
        raise DataError(f"{file}: not a readable .npz without pickle ({error}); save it with numpy.savez") from None


def _read_csv(file: Path, key: str) -> Array:
    import pandas as pd

    try:
        table = pd.read_csv(file, keep_default_na=False)
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: not a readable UTF-8 table ({error})") from None
    names = [str(name) for name in table.columns]
    columns = [name.strip() for name in key.split(",")] if key else []
    for column in columns or [""]:
        if column not in names:
            wanted = f"no column {column!r}" if column else "name the column as FILE.csv:column"
            raise DataError(f"{file}: {wanted}; {_nearest(column, names)}")
    chosen = table[columns[0]] if len(columns) == 1 else table[columns]
    values = chosen.to_numpy()
    return values.astype(np.str_) if values.dtype.kind == "O" else values


def _nearest(wanted: str, known: list[str]) -> str:
    near = difflib.get_close_matches(wanted, known, n=1)
    listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return (f"did you mean {near[0]!r}? " if near else "") + f"it holds: {listed}"
