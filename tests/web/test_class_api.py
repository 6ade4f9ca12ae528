"""The name of a class as a query of the JSON API, held against the search of Python."""

from __future__ import annotations

import pytest

from masln.experiments import RunConfig, bundle_items, open_encoder, run_experiment
from masln.retrieval import Gallery, build_gallery, make_backend, search_class, write_codes
from masln.web import Limits, LiveGallery
from masln.web.app import make_app
from masln.web.guard import LOOPBACK_NAMES
from tests.web.serving import answering


@pytest.fixture(scope="module")
def of_classes(trained, tmp_path_factory):
    """Asks a server of a gallery whose method has codes for classes; and that gallery."""
    folder = tmp_path_factory.mktemp("classes")
    config = RunConfig(method="sae", data=str(trained.bundle), baselines=(), select=False, device="cpu")
    run_experiment(config, folder / "run")
    encoder = open_encoder(folder / "run")
    items = bundle_items(encoder, trained.bundle)
    codes = write_codes(items.collections, folder / "codes", model=encoder.facts, facts=items.facts)
    build_gallery(codes, folder / "gallery", backend=make_backend("exact"))
    live = LiveGallery(folder / "gallery")
    with answering(make_app(live, limits=Limits(query_characters=50), hosts=LOOPBACK_NAMES)) as client:
        yield client, folder / "gallery"


@pytest.mark.parametrize("find", ["image", "text"])
def test_a_class_that_came_later_ranks_items_as_in_python(of_classes, find):
    client, folder = of_classes
    assert client.get("/api/gallery").json()["new_class"] is True
    gallery = Gallery(folder)
    expected = search_class(gallery, open_encoder(gallery.model.run), "zebra", find=find, k=7)
    answer = client.post("/api/search/class", json={"name": "zebra", "find": find, "k": 7}).json()
    assert (answer["query"], answer["modality"], answer["find"]) == ("zebra", "class", find)
    assert [(hit["id"], hit["score"]) for hit in answer["hits"]] == [(hit.item.id, hit.score) for hit in expected.hits]
    assert len(answer["hits"]) == 7


@pytest.mark.parametrize(
    ("request_json", "status", "message"),
    [
        ({"name": "qwzx"}, 400, "qwzx"),
        ({"name": "zebra", "classes": ["nothing"]}, 400, "nothing"),
        ({"name": "z" * 51}, 413, "at the most 50"),
        ({"name": ""}, 422, "name"),
        ({"name": "zebra", "k": 0}, 422, "k"),
        ({"text": "zebra"}, 422, "text"),
    ],
)
def test_what_cannot_be_ranked_is_said_in_one_line(of_classes, request_json, status, message):
    answer = of_classes[0].post("/api/search/class", json=request_json)
    assert answer.status_code == status and message in answer.json()["error"]


def test_a_method_without_codes_for_classes_says_which_have_them(client):
    assert client.get("/api/gallery").json()["new_class"] is False
    answer = client.post("/api/search/class", json={"name": "zebra"})
    assert answer.status_code == 400 and "eszsl" in answer.json()["error"]
