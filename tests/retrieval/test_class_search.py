"""Items ranked by the name of a class, one of the training data or one that came later."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from masln.data import read_bundle
from masln.errors import ConfigError, DataError
from masln.experiments import (
    RunClassVectors,
    RunConfig,
    bundle_items,
    open_encoder,
    read_class_vector,
    run_experiment,
    text_items,
)
from masln.features import class_embeddings, load_packaged_glove
from masln.models import make_method
from masln.preparation import make_class_vectors
from masln.retrieval import Encoder, Gallery, build_gallery, make_backend, search_class, write_codes
from tests.conftest import make_pairs
from tests.retrieval.synthetic import model_facts, write_drawn


@pytest.fixture(scope="module")
def encoder(trained, tmp_path_factory):
    """The run of a method that has codes for classes."""
    config = RunConfig(method="sae", data=str(trained.bundle), baselines=(), select=False, device="cpu")
    folder = tmp_path_factory.mktemp("sae") / "run"
    run_experiment(config, folder)
    return open_encoder(folder)


@pytest.fixture
def gallery(trained, encoder, tmp_path) -> Gallery:
    """The pictures and texts of the training data, and texts of a class that was not there."""
    items = bundle_items(encoder, trained.bundle)
    codes = write_codes(items.collections, tmp_path / "codes", model=encoder.facts, facts=items.facts)
    made = build_gallery(codes, tmp_path / "gallery", backend=make_backend("exact"))
    (tmp_path / "new.csv").write_text("id,text\na,a zebra in the zoo\nb,a striped zebra\n", encoding="utf-8")
    more = text_items(encoder, tmp_path / "new.csv", label="zebra")
    made.add(write_codes(more.collections, tmp_path / "more", model=encoder.facts))
    return Gallery(made.folder)


def test_items_are_ranked_by_the_embedding_of_a_class_that_came_later(encoder, gallery):
    vector = class_embeddings(["zebra"], load_packaged_glove())
    side = gallery.side("text")
    codes = np.concatenate([part.vectors for part in side.parts])
    cosines = cosine_similarity(encoder.method.encode_class(vector), codes)[0]
    answer = search_class(gallery, encoder, "zebra", find="text", k=len(side))
    assert (answer.query, answer.modality, answer.unknown_words) == ("zebra", "class", ())
    ids = [item.id for item in side.items(range(len(side)))]
    scores = [hit.score for hit in answer.hits]
    np.testing.assert_allclose(scores, np.sort(cosines)[::-1], atol=1e-6)
    np.testing.assert_allclose([cosines[ids.index(hit.item.id)] for hit in answer.hits], scores, atol=1e-6)
    assert [hit.rank for hit in answer.hits] == list(range(1, len(side) + 1))
    only = search_class(gallery, encoder, "zebra", find="text", classes=["zebra"])
    assert {hit.item.id for hit in only.hits} == {"a", "b"} and all(hit.item.label == "zebra" for hit in only.hits)


def test_added_items_of_classes_that_nobody_trained_on_come_first(tmp_path):
    """Thirty classes to learn from; six more, of which nothing but a vector is known, are added and asked for."""
    pairs = make_pairs(classes=36, per_class=8)
    method = make_method("sae").fit(pairs.of_classes(range(30)))
    facts = model_facts(code_width=10, method="sae")
    vectors = dict(zip(pairs.class_names, pairs.class_embeddings, strict=True))
    encoder = Encoder(method, facts, class_vectors=vectors.__getitem__)
    for name, classes in (("seen", range(30)), ("unseen", range(30, 36))):
        own = pairs.of_classes(classes)
        images = method.encode_image(own.image)
        order = np.arange(len(own)).reshape(len(classes), -1).T.ravel()  # as ``write_drawn`` deals the classes out
        names = own.class_names
        codes = write_drawn(
            tmp_path / name, prefix=name, values=images[order], classes=names, code_width=10, method="sae"
        )
        if name == "seen":
            gallery = build_gallery(codes, tmp_path / "gallery", backend=make_backend("exact"))
        else:
            gallery.add(codes)
    found = [
        [hit.item.label == name for hit in search_class(gallery, encoder, name, k=8).hits]
        for name in pairs.class_names[30:]
    ]
    assert np.mean(found) > 0.4, "8 of 288 items are of the class"


def test_a_class_of_the_data_stands_for_the_embedding_that_it_has_there(trained, encoder, gallery):
    dataset = read_bundle(trained.bundle)
    own = dataset.class_embeddings[list(dataset.class_names).index("horse")]
    by_name = search_class(gallery, encoder, "horse", k=5)
    assert by_name == search_class(gallery, encoder, "horse", k=5, vector=own)
    np.testing.assert_array_equal(encoder.class_code("horse"), encoder.method.encode_class(own[None]))
    assert by_name.hits[0].item.label == "horse" and by_name.hits[0].item.image, "pictures unless texts are asked"


def test_what_has_no_code_for_a_class_says_so(trained, encoder, gallery):
    with pytest.raises(DataError, match=r"no vector for the class 'zzxq'; ask in other words, or give its vector"):
        search_class(gallery, encoder, "zzxq")
    with pytest.raises(DataError, match=r"no vector for the class big zzxq \(zzxq\); ask"):
        search_class(gallery, encoder, "big zzxq")
    with pytest.raises(DataError, match=r"class embeddings must be \(n, 50\) as in training, got \(1, 3\)"):
        search_class(gallery, encoder, "zebra", vector=np.ones(3))
    other = open_encoder(trained.run)
    with pytest.raises(DataError, match="only codes of one model"):
        search_class(gallery, other, "zebra")
    with pytest.raises(ConfigError, match="cca has no code for a class, only cadavae, dadn, eszsl, jfse, sae have"):
        other.class_code("zebra")


PAIRS = make_pairs(classes=8, per_class=4)
CONFIG = RunConfig(method="sae", data="drawn")


def vectors_of(record, *, config=CONFIG, **options):
    split = config.make_split(PAIRS.class_names, 0)
    return RunClassVectors(PAIRS, config, split, record=record, **options)


def test_vectors_of_a_file_are_made_again_where_it_is_said_to_be(tmp_path):
    for name, number in (("words.txt", 2.0), ("others.txt", 3.0)):
        lines = [f"class{row} 1.0 {row}.0\n" for row in range(8)] + [f"zebra {number} 5.0\n"]
        (tmp_path / name).write_text("".join(lines), encoding="utf-8")
    record = make_class_vectors(["class0"], str(tmp_path / "words.txt"))[1]
    moved = vectors_of(record, source=(tmp_path / "words.txt").rename(tmp_path / "moved.txt"))
    np.testing.assert_array_equal(moved("zebra"), [2.0, 5.0])
    np.testing.assert_array_equal(moved("class3"), PAIRS.class_embeddings[3])
    with pytest.raises(DataError, match=r"are of words.txt: say where it is by --class-source, or give its vector by"):
        vectors_of(record)("zebra")
    with pytest.raises(DataError, match=r"others.txt is not what made the class vectors of synthetic: sha256"):
        vectors_of(record, source=tmp_path / "others.txt")("zebra")
    with pytest.raises(DataError, match=r"glove is not what made .*: kind glove, and not file"):
        vectors_of(record, source="glove")("zebra")
    own = dataclasses.replace(CONFIG, class_vectors=str(tmp_path / "moved.txt"))
    at_hand = vectors_of(record, config=own)
    np.testing.assert_array_equal(at_hand("zebra"), [2.0, 5.0])
    np.testing.assert_array_equal(at_hand("class3"), [1.0, 3.0])  # the run's, not those of the data


def test_where_a_class_can_have_no_vector_it_is_told():
    assert vectors_of("glove")("zebra").shape == (50,)
    drawn = dataclasses.replace(CONFIG, class_vectors="random")
    of_random = vectors_of({"kind": "random"}, config=drawn)
    assert of_random("class1").shape == (10,) and not np.array_equal(of_random("class1"), PAIRS.class_embeddings[1])
    with pytest.raises(DataError, match="were drawn at random: a class that synthetic has not has none"):
        of_random("zebra")
    for record in (None, "class_wordvectors.npz", {"kind": "none"}):
        with pytest.raises(DataError, match=r"synthetic does not say what .* were made with; give its vector"):
            vectors_of(record)("zebra")


def test_a_vector_is_read_from_a_file(tmp_path):
    (tmp_path / "v.txt").write_text("1 2.5,\n-3\n", encoding="utf-8")
    np.testing.assert_array_equal(read_class_vector(tmp_path / "v.txt"), [1, 2.5, -3])
    np.save(tmp_path / "v.npy", np.ones((1, 4)))
    np.testing.assert_array_equal(read_class_vector(tmp_path / "v.npy"), np.ones(4))
    (tmp_path / "word.txt").write_text("zebra 1 2", encoding="utf-8")
    np.save(tmp_path / "two.npy", np.ones((2, 4)))
    np.save(tmp_path / "zeros.npy", np.zeros(4))
    for name, message in (
        ("none.npy", "no such file of a class vector"),
        ("word.txt", "holds no class vector"),
        ("two.npy", r"holds an array \(2, 4\); one vector"),
        ("zeros.npy", "not all 0"),
    ):
        with pytest.raises(DataError, match=message):
            read_class_vector(tmp_path / name)
