"""A gallery that changes while it is served, clients that ask at once, and what cannot be asked with."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from masln.experiments import image_items, open_encoder
from masln.retrieval import Gallery, write_codes
from masln.web import LiveGallery
from masln.web.app import make_app
from tests.preparation.collection import draw
from tests.web.serving import answering


@pytest.fixture
def own(served_folder, tmp_path):
    """A copy of the gallery, to be changed."""
    shutil.copytree(served_folder / "gallery", tmp_path / "gallery")
    return tmp_path / "gallery"


def found(client, text="a horse", **options):
    return client.post("/api/search", json={"text": text, "k": 50, **options})


def test_what_is_added_and_removed_is_seen(trained, own, tmp_path):
    encoder = open_encoder(trained.run)
    draw(tmp_path / "new" / "okapi.png", colour=2, number=9)
    items = image_items(encoder, tmp_path / "new", label="okapi")
    codes = write_codes(items.collections, tmp_path / "codes", model=encoder.facts, facts=items.facts)
    with answering(make_app(LiveGallery(own))) as client:
        assert found(client, classes=["okapi"]).status_code == 400
        Gallery(own).add(codes)
        [hit] = found(client, classes=["okapi"]).json()["hits"]
        assert hit["id"] == "okapi.png" and hit["seen"] is None
        assert client.get(hit["image_url"]).content == (tmp_path / "new" / "okapi.png").read_bytes()
        assert client.get("/api/gallery").json()["modalities"]["image"]["items"] == 29
        Gallery(own).remove(classes=["zebra"])
        assert len(found(client).json()["hits"]) == 25
        own.rename(tmp_path / "away")
        for answer in (found(client), client.get("/healthz"), client.get("/api/gallery")):
            assert answer.status_code == 503 and str(tmp_path) not in answer.text, answer.text
        (tmp_path / "away").rename(own)
        assert len(found(client).json()["hits"]) == 25 and client.get("/healthz").status_code == 200


def test_many_clients_get_what_each_gets_alone(client, trained):
    words = ("horse", "cat", "sheep", "dog", "field", "trees", "animal", "small")
    texts = [f"{first} near {second}" for first in words for second in words[:4]]

    def ask(number):
        if number % 8 == 0:
            with (trained.photos / f"{words[number // 8]}1.png").open("rb") as file:
                answer = client.post("/api/search/image", files={"file": file}, data={"k": "3"})
        else:
            answer = client.post("/api/search", json={"text": texts[number], "k": 3})
        return answer.status_code, answer.json()["hits"]

    alone = [ask(number) for number in range(len(texts))]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(ask, range(len(texts))))
    assert together == alone and {status for status, _ in alone} == {200}
    assert len({hits[0]["id"] for _, hits in alone}) > 3


def test_why_a_modality_cannot_be_asked_with_is_told(trained, own, monkeypatch):
    from masln.features import efficientnet

    monkeypatch.setattr(efficientnet, "find_spec", lambda name: None)
    with answering(make_app(LiveGallery(own))) as client:
        facts = client.get("/api/gallery").json()
        assert facts["can_query"] == {"image": False, "text": True}
        assert "masln[features]" in facts["why_not"]["image"] and facts["why_not"]["text"] == ""
        with (trained.photos / "cat0.png").open("rb") as file:
            answer = client.post("/api/search/image", files={"file": file})
        assert answer.status_code == 400 and "masln[features]" in answer.json()["error"]
        by_item = client.post("/api/search", json={"item": "cat0.png", "modality": "image", "find": "image", "k": 1})
        assert by_item.json()["hits"][0]["id"] == "cat0.png"
