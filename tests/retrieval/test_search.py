"""Search by raw pictures and texts, against the codes and joint scores of the method itself."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from masln.data import read_bundle
from masln.errors import ConfigError, DataError
from masln.experiments import (
    bundle_items,
    image_items,
    open_encoder,
    read_queries,
    text_items,
)
from masln.features import load_extractor
from masln.models import load_method
from masln.retrieval import Gallery, build_gallery, make_backend, search, search_by_item, write_codes
from masln.retrieval.vectors import SIMILARITIES
from tests.preparation.collection import draw
from tests.retrieval.synthetic import draw_codes, write_drawn
from tests.retrieval.trained import train_joint_scorer

EXACT = make_backend("exact")


def codes_of(encoder, items, out):
    return write_codes(items.collections, out, model=encoder.facts, facts=items.facts)


@pytest.fixture(scope="module")
def encoder(trained):
    return open_encoder(trained.run)


@pytest.fixture(scope="module")
def gallery(trained, encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    codes = codes_of(encoder, bundle_items(encoder, trained.bundle), folder / "codes")
    return build_gallery(codes, folder / "gallery", backend=EXACT)


def cosines(a, b):
    unit = [x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=1)[:, None] for x in (a, b)]
    return unit[0] @ unit[1].T


def test_texts_find_pictures_and_pictures_texts_as_the_codes_say(trained, encoder, gallery):
    dataset = read_bundle(trained.bundle)
    method = load_method(trained.run / "cca" / "split0-seed0" / "model")
    images, texts = method.encode_image(dataset.image), method.encode_text(dataset.text)
    sentence = "a small horse alone"
    feature = load_extractor(trained.bundle / "extractors" / "text").transform([sentence])
    by_text = cosines(method.encode_text(feature), images)[0]
    picture = dataset.image_paths[4]
    by_picture = {"text": cosines(images[4:5], texts)[0], "image": cosines(images[4:5], images)[0]}
    for modality, query, find, expected in (
        ("text", sentence, "image", by_text),
        ("image", str(trained.photos / picture), "text", by_picture["text"]),
        ("image", str(trained.photos / picture), "image", by_picture["image"]),
    ):
        [answer] = search(gallery, encoder, [query], modality=modality, find=find, k=6)
        assert [hit.rank for hit in answer.hits] == [1, 2, 3, 4, 5, 6]
        row_of = {name: row for row, name in enumerate(dataset.ids)}
        rows = [row_of[hit.item.id] for hit in answer.hits]
        np.testing.assert_allclose([hit.score for hit in answer.hits], np.sort(expected)[::-1][:6], atol=1e-5)
        np.testing.assert_allclose([hit.score for hit in answer.hits], expected[rows], atol=1e-5)
        assert answer.hits[0].picture == trained.photos / dataset.image_paths[rows[0]]
        assert answer.hits[0].item.text == dataset.texts[rows[0]] and answer.hits[0].item.label in dataset.class_names
    assert answer.hits[0].item.id == dataset.ids[4], "a picture finds itself first"


def test_many_queries_are_answered_as_each_alone(trained, encoder, gallery):
    texts = [f"a {word} near {number} trees" for number in range(40) for word in ("horse", "cat")]
    together = search(gallery, encoder, texts, modality="text", find="text", k=3)
    for number in (0, 63, 64, 79):
        assert search(gallery, encoder, [texts[number]], modality="text", find="text", k=3) == [together[number]]


def test_a_word_that_is_not_known_is_named(encoder, gallery):
    [answer] = search(gallery, encoder, ["Qwzx horse zzxq"], modality="text", find="image", k=2)
    [plain] = search(gallery, encoder, ["horse"], modality="text", find="image", k=2)
    assert answer.unknown_words == ("qwzx", "zzxq") and answer.hits == plain.hits and plain.unknown_words == ()
    for text, message in (("qwzx zzxq", "no word of it is known to word2vec: qwzx, zzxq"), ("?!", "it has no word")):
        with pytest.raises(DataError, match=message):
            search(gallery, encoder, ["horse", text], modality="text", find="image")


def test_items_of_a_class_that_nobody_trained_on_are_added_and_found(trained, encoder, gallery, tmp_path):
    shutil.copytree(gallery.folder, tmp_path / "gallery")
    for number in range(3):
        draw(tmp_path / "zoo" / "zebra" / f"{number}.png", colour=7, number=number)
    opened = Gallery(tmp_path / "gallery")
    opened.add(codes_of(encoder, image_items(encoder, tmp_path / "zoo", folders_are_classes=True), tmp_path / "codes"))
    query = str(tmp_path / "zoo" / "zebra" / "1.png")
    [answer] = search(opened, encoder, [query], modality="image", find="image", k=3)
    assert answer.hits[0].item.id == "zebra/1.png" and answer.hits[0].item.label == "zebra"
    [only] = search(opened, encoder, ["an animal"], modality="text", find="image", k=10, classes=["zebra"])
    assert {hit.item.label for hit in only.hits} == {"zebra"} and len(only.hits) == 3
    assert only.hits[0].picture is not None and only.hits[0].picture.is_file()


def test_a_query_through_another_model_is_refused(trained, gallery):
    other = open_encoder(trained.other_run)
    with pytest.raises(DataError, match="the query: these codes are of cca of"):
        search(gallery, other, ["horse"], modality="text", find="image")


def test_a_run_that_was_trained_anew_is_another_model(trained, encoder, gallery, tmp_path):
    shutil.copytree(trained.run, tmp_path / "run")
    assert open_encoder(tmp_path / "run").facts.hash == encoder.facts.hash
    config = tmp_path / "run" / "cca" / "split0-seed0" / "model" / "config.json"
    value = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps(value | {"note": "trained anew"}), encoding="utf-8")
    with pytest.raises(DataError, match="only codes of one model"):
        search(gallery, open_encoder(tmp_path / "run"), ["horse"], modality="text", find="image")


def test_queries_are_read_from_files(trained, tmp_path):
    (tmp_path / "queries.txt").write_text("a horse\n\n  two cats \n", encoding="utf-8")
    assert read_queries(tmp_path / "queries.txt", "text") == ["a horse", "two cats"]
    (tmp_path / "queries.jsonl").write_text('{"id": "a", "text": "a dog"}\n', encoding="utf-8")
    assert read_queries(tmp_path / "queries.jsonl", "text") == ["a dog"]
    assert len(read_queries(trained.photos, "image")) == 24
    (tmp_path / "empty.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match="no query in it"):
        read_queries(tmp_path / "empty.txt", "text")


@pytest.fixture(scope="module")
def joint(trained, tmp_path_factory):
    """The same pictures as regions and texts as tokens, and a run with a joint score on them."""
    return train_joint_scorer(trained, tmp_path_factory.mktemp("joint"))


def test_the_joint_score_puts_the_first_in_order_anew(trained, joint, tmp_path):
    encoder = open_encoder(joint / "run")
    dataset = read_bundle(joint / "bundle")
    by_feature = codes_of(encoder, bundle_items(encoder, joint / "bundle"), tmp_path / "a")
    by_file = codes_of(encoder, image_items(encoder, trained.photos), tmp_path / "b")
    of_bundle = build_gallery(by_feature, tmp_path / "of-bundle", backend=EXACT)
    of_files = build_gallery(by_file, tmp_path / "of-files", backend=EXACT)
    query = "a small horse in the field"
    feature, mask = load_extractor(joint / "bundle" / "extractors" / "text").extract([query])
    rows = np.arange(len(dataset))
    scores = encoder.method.score(
        dataset.image, feature, mask, image_rows=rows, text_rows=np.zeros(len(rows), dtype=np.int64)
    )
    score_of = dict(zip(dataset.image_paths.tolist(), scores.tolist(), strict=True))
    for gallery in (of_bundle, of_files):
        [plain] = search(gallery, encoder, [query], modality="text", find="image", k=9)
        [again] = search(gallery, encoder, [query], modality="text", find="image", k=5, rerank=9)
        expected = sorted((score_of[hit.item.image] for hit in plain.hits), reverse=True)[:5]
        np.testing.assert_allclose([hit.score for hit in again.hits], expected, atol=1e-5)
        assert all(hit.reranked for hit in again.hits) and not any(hit.reranked for hit in plain.hits)
    picture = str(trained.photos / dataset.image_paths[3])
    [texts] = search(of_bundle, encoder, [picture], modality="image", find="text", k=4, rerank=24)
    own = search_by_item(of_bundle, dataset.ids[3], modality="image", find="text", k=4, rerank=24, encoder=encoder)
    assert [hit.item.id for hit in own.hits] == [hit.item.id for hit in texts.hits] and own.hits[0].reranked
    np.testing.assert_allclose([hit.score for hit in own.hits], [hit.score for hit in texts.hits], atol=1e-4)
    one = np.full(len(rows), 3)
    backwards = encoder.method.score(dataset.image, dataset.text, dataset.text_mask, image_rows=one, text_rows=rows)
    np.testing.assert_allclose([hit.score for hit in texts.hits], np.sort(backwards)[::-1][:4], atol=1e-5)
    with pytest.raises(ConfigError, match="not of two images"):
        search(of_bundle, encoder, [picture], modality="image", find="image", rerank=5)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_an_item_finds_what_its_code_finds(tmp_path, similarity):
    gallery = build_gallery(
        write_drawn(tmp_path / "codes", n=50, similarity=similarity),
        tmp_path / "gallery",
        backend=EXACT,
    )
    codes = draw_codes(50)
    for find in ("image", "text"):
        answer = search_by_item(gallery, "item7", modality="image", find=find, k=5)
        rows, scores = gallery.search(find, codes[7:8], 5)
        assert [hit.item.id for hit in answer.hits] == [f"item{row}" for row in rows[0]]
        shown = [hit.score for hit in answer.hits]
        np.testing.assert_allclose(shown, scores[0], rtol=1e-4, atol=1e-5)
        assert (answer.query, answer.modality, answer.unknown_words) == ("item7", "image", ())
    gallery.remove(ids=["item7"], modality="image")
    with pytest.raises(DataError, match="has no image 'item7'"):
        search_by_item(gallery, "item7", modality="image", find="text")
    with pytest.raises(ConfigError, match="needs the run's model"):
        search_by_item(gallery, "item8", modality="image", find="text", rerank=5)


def test_what_cannot_be_reranked_is_told(trained, joint, encoder, gallery, tmp_path):
    with pytest.raises(ConfigError, match="cca has no joint score"):
        search(gallery, encoder, ["horse"], modality="text", find="image", rerank=5)
    own = open_encoder(joint / "run")
    found = bundle_items(own, joint / "bundle")
    codes = write_codes(
        found.collections, tmp_path / "of-another", model=own.facts, facts={**found.facts, "bundle_hash": "0" * 12}
    )
    changed = build_gallery(codes, tmp_path / "changed", backend=EXACT)
    with pytest.raises(DataError, match="is another bundle than the one whose items are in the gallery"):
        search(changed, own, ["horse"], modality="text", find="image", rerank=5)
    shutil.copytree(trained.photos, tmp_path / "photos")
    codes = codes_of(own, image_items(own, tmp_path / "photos"), tmp_path / "codes")
    moved = build_gallery(codes, tmp_path / "gallery", backend=EXACT)
    shutil.rmtree(tmp_path / "photos")
    with pytest.raises(DataError, match="its raw image is not at hand"):
        search(moved, own, ["horse"], modality="text", find="image", rerank=5)
    (tmp_path / "table.csv").write_text("id,text\na,a horse\nb,a sheep\n", encoding="utf-8")
    assert text_items(own, tmp_path / "table.csv").collections["text"].inputs == [("a horse",), ("a sheep",)]
