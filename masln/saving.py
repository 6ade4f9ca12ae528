"""What is learned, on disk: JSON for facts, safetensors for arrays, each written whole; reading runs no code."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from masln.errors import CheckpointError

__all__ = ["CONFIG", "WEIGHTS", "Arrays", "add_arrays", "load_state", "save_state", "write_atomically"]

CONFIG, WEIGHTS = "config.json", "model.safetensors"
Arrays = dict[str, NDArray[Any]]
Made = TypeVar("Made")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a temporary file beside it, flushed to disk, then renamed.

    Raises:
        CheckpointError: the disk refuses (full, read-only); what stood there before still stands.
    """
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise CheckpointError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose another --out "
            f"(what was saved before is intact)"
        ) from error


def save_state(directory: str | Path, config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write ``config.json`` and ``model.safetensors``; the folder is made when missing.

    Raises:
        CheckpointError: the disk refuses.
    """
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"cannot make the folder {folder}: {error.strerror or error}; choose another") from error
    contiguous = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    write_atomically(folder / WEIGHTS, save_tensors(contiguous))
    write_atomically(folder / CONFIG, (json.dumps(config, indent=1) + "\n").encode())


def load_state(
    directory: str | Path, make: Callable[[dict[str, Any], Arrays], Made], *, what: str, remedy: str
) -> Made:
    """Make an object of what ``save_state`` wrote.

    Args:
        directory: The folder.
        make: Takes the configuration and the arrays; what it raises on ones that do not fit is reported too.
        what: The kind of thing saved, for the message.
        remedy: What to do about a broken one, for the message.

    Raises:
        CheckpointError: a file is missing, truncated, or does not fit the other.
    """
    folder = Path(directory)
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        arrays = load_tensors((folder / WEIGHTS).read_bytes())
        return make(config, arrays)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"saved {what} {folder} cannot be loaded ({reason}); {remedy}") from error


def add_arrays(digest: hashlib._Hash, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Add arrays to a digest: names, types, shapes and bytes, in the order of the names."""
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(values.reshape(-1).view(np.uint8).data)
