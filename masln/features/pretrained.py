"""Pretrained networks of the `transformers` package: from a local folder or a hub name, as safetensors alone."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from masln.data.bundle import file_sha256
from masln.errors import DataError, MissingExtraError

__all__ = ["content_hash", "folder_hash", "load_pretrained", "model_folder"]

# What a network and its tokenizer or image processor are made of; pickled weights (.bin, .pt) never.
_PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")


def model_folder(model: str | Path) -> Path:
    """Where a model lies: a local folder as it stands, or the cached copy of a hub name, fetched when missing.

    Raises:
        DataError: There is no such folder, and the hub does not give the name (or cannot be reached).
        MissingExtraError: transformers is not installed.
    """
    folder = Path(model)
    if folder.is_dir():
        return folder
    if folder.is_absolute() or len(folder.parts) > 2 or str(model).startswith("."):
        raise DataError(f"no such folder of a model: {folder}")
    if find_spec("transformers") is None:
        raise MissingExtraError("transformers", "features", "a pretrained network")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(model), allow_patterns=list(_PATTERNS)))
    except Exception as error:  # the hub's, httpx's and the disk's kinds of error
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"{model}: no such folder, and not to be had from the hub ({reason}); give a folder that holds the model"
        ) from error


def load_pretrained(cls: Any, folder: Path, **options: Any) -> Any:
    """Load a network with all of its weights, ready for inference.

    Args:
        cls: A model class of transformers, such as `AutoModel`.
        folder: The model's folder.
        options: For `from_pretrained`.

    Returns:
        The network, in evaluation mode.

    Raises:
        DataError: The folder holds no such model, its weights are a pickle, truncated, or not all there: transformers
            itself fills the missing ones with random numbers.
    """
    from transformers.utils import logging

    # transformers draws a bar and reports the weights left over, of a CLIP's image tower for instance.
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        network, info = cls.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, output_loading_info=True, **options
        )
    except Exception as error:  # OSError, ValueError, SafetensorError, KeyError, RuntimeError, ...
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"{folder}: no model with safetensors that can be loaded ({reason}); get it again") from error
    finally:
        logging.set_verbosity(level)
    # A pooling layer that nobody trained is left out of many checkpoints, and is not what we read.
    missing = sorted(key for key in info["missing_keys"] if "pooler." not in key)
    broken = sorted(str(key) for key in info.get("mismatched_keys", ()))
    if missing or broken:
        raise DataError(
            f"{folder}: {len(missing) + len(broken)} weights of {cls.__name__} are missing or of another shape "
            f"({(missing + broken)[0]}); this is another kind of model, or a damaged one"
        )
    return network.eval()


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of a model's files, by which it may move."""
    digest = hashlib.sha256()
    for file in sorted({file for pattern in _PATTERNS for file in folder.glob(pattern)}):
        digest.update(f"{file.name} {content_hash(file)}\n".encode())
    return digest.hexdigest()


def content_hash(file: Path) -> str:
    """SHA-256 of a file's content, taken once while the file stays as it is."""
    facts = file.stat()
    return _content_hash(file.resolve(), facts.st_size, facts.st_mtime_ns)


@cache
def _content_hash(file: Path, size: int, changed: int) -> str:
    return file_sha256(file)
