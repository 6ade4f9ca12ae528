"""Class embeddings from synonyms, definitions and encoders; every missing name is listed at once."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from masln.errors import DataError
from masln.features import (
    BagOfWords,
    Word2Vec,
    class_embeddings,
    definition_embeddings,
    encoded_class_names,
    load_word_vectors,
    read_class_texts,
    wordnet_definitions,
)
from masln.features import class_texts as module

VECTORS = {
    "flat": np.array([1.0, 0.0], dtype=np.float32),
    "land": np.array([3.0, 4.0], dtype=np.float32),
    "planes": np.array([0.0, 8.0], dtype=np.float32),
    "of": np.array([100.0, 100.0], dtype=np.float32),
    "nothing": np.zeros(2, dtype=np.float32),
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "class,phrase\nairfield,flat land\nother,Planes\n"),
        ("t.tsv", "class\tphrase\nairfield\tflat land\nother\tPlanes\n"),
        ("t.json", '{"airfield": "flat land", "other": "Planes"}'),
    ],
)
def test_texts_of_classes_from_each_kind_of_file(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    texts = read_class_texts(tmp_path / name)
    assert texts == {"airfield": "flat land", "other": "Planes"}
    expected = [[2, 2], [0, 8]]
    np.testing.assert_allclose(class_embeddings(["airfield", "other"], VECTORS, synonyms=texts), expected)
    np.testing.assert_allclose(definition_embeddings(["airfield", "other"], texts, VECTORS), expected)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "class,phrase\na,b\na,c\n", "'a' stands at"),
        ("t.csv", "class,phrase,more\na,b,c\n", "3 columns; two are needed"),
        ("t.csv", "class,phrase\na,\n", "no text"),
        ("t.json", '{"a": ["b", "c"]}', "several texts for a"),
        ("t.json", '["a"]', "str where a record"),
        ("t.txt", "a b", "unknown kind of file of class texts"),
    ],
)
def test_wrong_files_are_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_class_texts(tmp_path / name)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="no such file"):
        read_class_texts(tmp_path / f"absent{name[1:]}" if name != "t.txt" else tmp_path / "absent.csv")


def test_a_definition_is_the_mean_of_the_words_that_say_something():
    definitions = {"airfield": "A flat land of planes, nothing unknown-word.", "other": "qwzx of", "b": "land"}
    row = definition_embeddings(["airfield"], definitions, VECTORS)
    np.testing.assert_allclose(row, np.mean([VECTORS[w] for w in ("flat", "land", "planes")], axis=0)[None], rtol=1e-6)
    with pytest.raises(DataError, match="no definition for 2 of 3 classes: x, y;"):
        definition_embeddings(["x", "airfield", "y"], definitions, VECTORS)
    with pytest.raises(DataError, match="no word of the definition has a vector for 1 of 2 classes: other;"):
        definition_embeddings(["other", "b"], definitions, VECTORS)
    with pytest.raises(DataError, match="no class names given"):
        definition_embeddings([], definitions, VECTORS)


def test_wordnet_is_taken_where_it_is_installed_and_asked_for_where_not(monkeypatch):
    """A stand-in with nltk's interface, as its corpus cannot be fetched in a test."""
    senses = {"bare_land": [], "land": ["the land on which real estate is located"], "fish": ["any of various animals"]}

    class Corpus:
        loaded = True

        def synsets(self, key, pos):
            if not self.loaded:
                raise LookupError("Resource wordnet not found.\n  Please use the NLTK Downloader")
            found = senses.get(key, []) if pos == "n" else []
            return [types.SimpleNamespace(definition=lambda text=text: text) for text in found]

    corpus = types.ModuleType("nltk.corpus")
    corpus.wordnet = Corpus()
    monkeypatch.setitem(sys.modules, "nltk", types.ModuleType("nltk"))
    monkeypatch.setitem(sys.modules, "nltk.corpus", corpus)
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    assert wordnet_definitions(["BareLand", "fish"]) == {"BareLand": senses["land"][0], "fish": senses["fish"][0]}
    with pytest.raises(DataError, match="WordNet has no noun for qwzx, Zzz;"):
        wordnet_definitions(["fish", "qwzx", "Zzz"])
    corpus.wordnet.loaded = False
    with pytest.raises(DataError, match="its wordnet corpus is not"):
        wordnet_definitions(["fish"])
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="or give definitions in a file"):
        wordnet_definitions(["fish"])


def test_names_are_encoded_as_words():
    encoder = BagOfWords(max_words=0, min_texts=1).fit(["a photo of bare land and tv"])
    names = ["BareLand", "TV"]
    rows = encoded_class_names(names, encoder, synonyms={"TV": "photo tv"}, template="a {}")
    found = [{encoder.words_[at] for at in np.flatnonzero(row)} for row in rows]
    assert found == [{"a", "bare", "land"}, {"a", "photo", "tv"}]
    with pytest.raises(DataError, match="knows no word of qwzx, yyy;"):
        encoded_class_names(["qwzx", "TV", "yyy"], encoder)
    with pytest.raises(DataError, match="has no place for the name"):
        encoded_class_names(names, encoder, template="a photo")
    with pytest.raises(DataError, match="synonyms name no class: tv"):
        encoded_class_names(names, encoder, synonyms={"tv": "x"})
    with pytest.raises(DataError, match="class name 1 is bytes"):
        encoded_class_names(["TV", b"TV"], encoder)
    with pytest.raises(DataError, match="layout global"):
        encoded_class_names(names, Word2Vec(layout="tokens"))


def test_fasttext_vec_files(tmp_path):
    """A count and a width, then rows that end in a space, as fastText writes them."""
    path = tmp_path / "wiki.simple.vec"
    path.write_text("3 2\nland 3 4 \nflat 1 0 \nof 1.5e-1 -2 \n", encoding="utf-8")
    vectors = load_word_vectors(path)
    np.testing.assert_allclose(class_embeddings(["FlatLand"], vectors), [[2, 2]])
    np.testing.assert_allclose(vectors["of"], [0.15, -2], rtol=1e-6)


def test_published_vectors_of_the_voc_classes(shared_data, tmp_path):
    """Names of the shared arrays, written as fastText text, come back as the arrays' rows."""
    with np.load(shared_data / "word_vectors" / "class_wordvectors.npz", allow_pickle=False) as archive:
        names, rows = archive["voc12_names"].tolist(), archive["voc12_fasttext"]
    kept = [at for at, name in enumerate(names) if name.isalpha() and rows[at].any()]
    path = tmp_path / "voc.vec"
    lines = [f"{names[at]} {' '.join(map(repr, rows[at].tolist()))} \n" for at in kept]
    path.write_text(f"{len(kept)} {rows.shape[1]}\n" + "".join(lines), encoding="utf-8")
    found = class_embeddings([names[at] for at in kept], load_word_vectors(path))
    assert len(kept) >= 15
    np.testing.assert_allclose(found, rows[kept], rtol=1e-6, atol=1e-7)
