"""Class embeddings: one vector for each class name, out of word vectors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from masln.errors import DataError, MissingVectorError

__all__ = ["WordVectors", "class_embeddings", "class_words"]

# A run of capitals that no small letter ends (an acronym), a capitalised or small word, or digits.
_CAMEL = re.compile(r"[A-Z]+(?![^\W\d_A-Z])|[A-Z]?[^\W\d_A-Z]+|\d+")
# GoogleNews word2vec has no vector for these, and they say nothing about a class.  # ours
STOP_WORDS = frozenset({"a", "an", "and", "for", "in", "of", "on", "or", "the", "to", "with", "&"})


class WordVectors(Protocol):
    """What is asked of word vectors: gensim `KeyedVectors` and plain dictionaries both answer it."""

    def __contains__(self, word: Any, /) -> bool:
        """Whether the word has a vector."""

    def __getitem__(self, word: Any, /) -> Any:
        """The vector of the word, (d,)."""


def class_embeddings(
    names: Sequence[str], vectors: WordVectors, *, synonyms: Mapping[str, str] | None = None
) -> NDArray[np.float32]:
    """Embed class names: the vector of the word, or the mean over the words of a name of several (ours).

    A name is parted at spaces, underscores and slashes; a part that has no vector as it stands, at hyphens and where
    CamelCase goes up (`BareLand`). A word is looked up in small letters first and then as written, as a name written
    with a capital is still the common noun; an acronym is looked up as written first. Words such as "of" may lack a
    vector, all others must have one.

    Args:
        names: Class names, n of them.
        vectors: gensim `KeyedVectors`, or any mapping from words to vectors of one width d.
        synonyms: What to look up instead of a name, e.g. `{"tvmonitor": "television monitor"}`.

    Returns:
        (n, d) float32.

    Raises:
        DataError: If a name is bytes or empty.
        MissingVectorError: If some names lack a vector; the message lists them all.
    """
    check_names(names)
    synonyms = checked_synonyms(synonyms, names)
    rows, missing = [], []
    for name in names:
        found, lacking = _look_up(synonyms.get(name, name), vectors)
        if lacking or not found:
            missing.append(f"{name} ({', '.join(lacking)})" if lacking and lacking != [name] else repr(name))
        else:
            rows.append(np.mean(found, axis=0, dtype=np.float64))
    if missing:
        raise MissingVectorError(
            f"no word vector for {len(missing)} of {len(names)} class names: {'; '.join(missing)}; "
            "give synonyms for them or other word vectors",
            missing,
        )
    return np.stack(rows).astype(np.float32)


def check_names(names: Sequence[str]) -> None:
    """Refuse what is no list of class names.

    Raises:
        DataError: It is one name or none, or a name is bytes or of another type; the message has its position.
    """
    if isinstance(names, str | bytes):
        raise DataError(f"class names must be a sequence of names, not the one name {names!r}; give a list")
    for position, name in enumerate(names):
        if isinstance(name, bytes):
            raise DataError(f"class name {position} is bytes ({name!r}); decode it first, for instance as UTF-8")
        if not isinstance(name, str):
            raise DataError(f"class name {position} is {type(name).__name__}; text is needed")
    if not len(names):
        raise DataError("no class names given; at least one is needed")


def checked_synonyms(synonyms: Mapping[str, str] | None, names: Sequence[str]) -> Mapping[str, str]:
    """Synonyms, none where there are none; DataError if one is for a name that is not there."""
    synonyms = synonyms or {}
    unused = sorted(set(synonyms) - set(names))
    if unused:
        raise DataError(f"synonyms name no class: {', '.join(unused)}; the keys must be class names as they stand")
    return synonyms


def class_words(name: str) -> list[str]:
    """The words of a class name: `BareLand`, `bare-land`, `bare_land` and `bare land` all give two.

    Args:
        name: A class name.

    Returns:
        Its words as written.
    """
    return [word for part in _parts(name) for word in _finer(part)]


def _parts(name: str) -> list[str]:
    return re.split(r"[\s_/,]+", name.strip(" _/,\t\n"))


def _finer(part: str) -> list[str]:
    """A part at hyphens and where CamelCase goes up; acronyms and digits stay whole."""
    pieces: list[str] = []
    for piece in part.split("-"):
        pieces.extend(_CAMEL.findall(piece) or ([piece] if piece else []))
    return pieces


def _look_up(phrase: str, vectors: WordVectors) -> tuple[list[NDArray[Any]], list[str]]:
    """The vectors of the words of a phrase, and the words that lack one."""
    found: list[NDArray[Any]] = []
    lacking: list[str] = []
    for part in _parts(phrase):
        whole = _vector(part, vectors)
        for word, vector in [(part, whole)] if whole is not None else _finer_vectors(part, vectors):
            if vector is not None:
                found.append(vector)
            elif word.lower() not in STOP_WORDS:
                lacking.append(word)
    return found, lacking


def _finer_vectors(part: str, vectors: WordVectors) -> Iterator[tuple[str, NDArray[Any] | None]]:
    for word in _finer(part):
        yield word, _vector(word, vectors)


def _vector(word: str, vectors: WordVectors) -> NDArray[Any] | None:
    """The vector of a word, or None where it has none, or one of zeros, which tells nothing."""
    forms = (word, word.lower()) if len(word) > 1 and word.isupper() else (word.lower(), word, word.capitalize())
    for form in forms:
        if form and form in vectors:
            vector = np.asarray(vectors[form])
            if np.any(vector):
                return vector
    return None
