"""Class embeddings from texts about the classes: synonyms, definitions (one's own or WordNet's), sentence encoders."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.errors import DataError
from masln.features.base import Extractor
from masln.features.class_embeddings import STOP_WORDS, WordVectors, check_names, checked_synonyms, class_words
from masln.features.text_files import read_texts
from masln.features.text_table import read_utf8
from masln.features.words import words_of

__all__ = ["definition_embeddings", "encoded_class_names", "read_class_texts", "wordnet_definitions"]


def read_class_texts(path: str | Path) -> dict[str, str]:
    """Read a text for each class: synonyms for `class_embeddings`, or definitions.

    Args:
        path: `.csv` or `.tsv` of two columns with a header, the class name first; or `.json`, a mapping from names to
            texts.

    Returns:
        The texts by class name, in the file's order.

    Raises:
        DataError: The file is malformed, or a name occurs twice, has no text or several.
    """
    file = Path(path)
    if file.suffix.lower() == ".json":
        table = read_texts(file, id_column="id", text_columns=("text",))
    elif file.suffix.lower() in (".csv", ".tsv"):
        columns = _two_columns(file)
        table = read_texts(file, id_column=columns[0], text_columns=columns[1:])
    else:
        raise DataError(f"{file}: unknown kind of file of class texts; use .csv, .tsv or .json")
    several = [name for name, texts in zip(table.ids, table.captions, strict=True) if len(texts) > 1]
    if several:
        raise DataError(f"{file}: several texts for {', '.join(several)}; give each class one")
    return {name: texts[0] for name, texts in zip(table.ids, table.captions, strict=True)}


def definition_embeddings(
    names: Sequence[str], definitions: Mapping[str, str], vectors: WordVectors
) -> NDArray[np.float32]:
    """Embed classes by the mean over the words of their definitions.

    Words such as "of" and words without a vector are passed over.

    Args:
        names: Class names, n of them.
        definitions: A text for each.
        vectors: gensim `KeyedVectors`, or any mapping from words to vectors of one width d.

    Returns:
        (n, d) float32.

    Raises:
        DataError: Some classes have no definition, or none of its words a vector; the message lists them all.
    """
    check_names(names)
    absent = [name for name in names if name not in definitions]
    if absent:
        raise DataError(
            f"no definition for {len(absent)} of {len(names)} classes: {', '.join(absent)}; the keys must be the class "
            "names as they stand"
        )
    rows: dict[str, NDArray[Any]] = {}
    for name in names:
        words = [word for word in words_of(definitions[name]) if word not in STOP_WORDS and word in vectors]
        found = [vector for vector in (np.asarray(vectors[word]) for word in words) if np.any(vector)]
        if found:
            rows[name] = np.asarray(np.mean(found, axis=0, dtype=np.float64))
    lacking = [name for name in names if name not in rows]
    if lacking:
        raise DataError(
            f"no word of the definition has a vector for {len(lacking)} of {len(names)} classes: {', '.join(lacking)}; "
            "word them otherwise or give other word vectors"
        )
    return np.stack([rows[name] for name in names]).astype(np.float32)


def wordnet_definitions(names: Sequence[str]) -> dict[str, str]:
    """The definition of each class name's first noun sense in WordNet, where nltk and its corpus are installed.

    Args:
        names: Class names; `bare_land` and `BareLand` are looked up as "bare land" and then as "land", its head.

    Returns:
        Definitions by name.

    Raises:
        DataError: nltk or its corpus is not installed (nothing is fetched), or some names are not in WordNet; the
            message lists them all.
    """
    check_names(names)
    if find_spec("nltk") is None:
        raise DataError("WordNet definitions need nltk and its wordnet corpus; or give definitions in a file")
    from nltk.corpus import wordnet  # type: ignore[import-not-found,import-untyped,unused-ignore]

    found: dict[str, str] = {}
    try:
        for name in names:
            words = [word.lower() for word in class_words(name)]
            senses = [sense for key in ("_".join(words), words[-1]) for sense in wordnet.synsets(key, pos="n")]
            if senses:
                found[name] = senses[0].definition()
    except LookupError:
        raise DataError(
            "nltk is installed but its wordnet corpus is not: python -m nltk.downloader wordnet; or give definitions "
            "in a file"
        ) from None
    absent = [name for name in names if name not in found]
    if absent:
        raise DataError(f"WordNet has no noun for {', '.join(absent)}; give definitions in a file")
    return found


def encoded_class_names(
    names: Sequence[str],
    encoder: Extractor,
    *,
    synonyms: Mapping[str, str] | None = None,
    template: str = "{}",
) -> NDArray[np.float32]:
    """Embed class names by a text extractor, such as a sentence encoder.

    Args:
        names: Class names, n of them; `BareLand` is read as "bare land", acronyms stay as written.
        encoder: Gives `global` features of texts.
        synonyms: What to encode instead of a name, or a definition of it.
        template: What to put the name into, such as `a photo of a {}`.

    Returns:
        (n, d) float32.

    Raises:
        DataError: A name is empty, the encoder gives no global text features, or gives zeros, which tell nothing.
    """
    if encoder.modality != "text" or encoder.length:
        raise DataError(f"{encoder.name}: class names need a text extractor of layout global")
    check_names(names)
    if "{}" not in template:
        raise DataError(f"template {template!r} has no place for the name; write it as {{}}")
    synonyms = checked_synonyms(synonyms, names)
    rows = encoder.transform([template.replace("{}", synonyms.get(name) or _plain_name(name)) for name in names])
    zero = [name for name, row in zip(names, rows, strict=True) if not np.any(row)]
    if zero:
        raise DataError(f"{encoder.name} knows no word of {', '.join(zero)}; give synonyms for them")
    return rows


def _plain_name(name: str) -> str:
    words = class_words(name)
    if not words:
        raise DataError(f"class name {name!r} has no word; give it one")
    return " ".join(word if len(word) > 1 and word.isupper() else word.lower() for word in words)


def _two_columns(file: Path) -> tuple[str, ...]:
    if not file.is_file():
        raise DataError(f"no such file of class texts: {file}")
    delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
    header = next(csv.reader(read_utf8(file).splitlines()[:1], delimiter=delimiter), [])
    if len(header) != 2:
        raise DataError(f"{file}: {len(header)} columns; two are needed, the class name and its text, under a header")
    return tuple(header)
