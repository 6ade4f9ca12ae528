"""The JSON API, held against the search of Python and of the command line."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from masln.cli import main
from masln.experiments import open_encoder
from masln.retrieval import Gallery, search, search_by_item
from tests.web.conftest import ODD_NAMES


def ids(answer):
    return [hit["id"] for hit in answer["hits"]]


def asked(client, **request):
    answer = client.post("/api/search", json=request)
    assert answer.status_code == 200, answer.text
    return answer.json()


def asked_with_picture(client, file, **fields):
    answer = client.post("/api/search/image", files={"file": file.open("rb")}, data=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("find", ["image", "text"])
@pytest.mark.parametrize("modality", ["text", "image"])
def test_command_line_python_and_page_find_the_same(client, trained, served_folder, capsys, modality, find):
    gallery, encoder = Gallery(served_folder / "gallery"), open_encoder(trained.run)
    picture = trained.photos / "horse2.png"
    query = "a small horse near 3 trees" if modality == "text" else str(picture)
    [own] = search(gallery, encoder, [query], modality=modality, find=find, k=9)
    options = [query] if modality == "text" else ["--image", query]
    main_arguments = ["search", str(gallery.folder), *options, "--find", find, "--k", "9", "--json"]
    with pytest.raises(SystemExit) as done:
        main(main_arguments)
    assert done.value.code in (0, None)
    told = json.loads(capsys.readouterr().out)
    if modality == "text":
        answer = asked(client, text=query, find=find, k=9)
    else:
        answer = asked_with_picture(client, picture, find=find, k=9)
    expected = [(hit.item.id, hit.score, hit.item.label) for hit in own.hits]
    assert len(expected) == 9
    for found in (told, answer):
        assert [(hit["id"], hit["score"], hit["class"]) for hit in found["hits"]] == expected


def test_an_answer_says_what_the_page_shows(client, trained):
    answer = asked(client, text="a Qwzx horse", k=3)
    assert (answer["query"], answer["modality"], answer["find"]) == ("a Qwzx horse", "text", "image")
    assert answer["unknown_words"] == ["qwzx"] and answer["seconds"] > 0
    first = answer["hits"][0]
    assert first["rank"] == 1 and first["reranked"] is False and first["modality"] == "image"
    assert first["text"].startswith("a small ") and first["image_url"] == f"/api/items/image/{first['id']}/picture"
    split = json.loads((trained.run / "cca" / "split0-seed0" / "class_split.json").read_text(encoding="utf-8"))
    unseen = {split["class_names"][number] for number in split["unseen"]}
    every = asked(client, text="a horse", k=50)["hits"]
    assert len(every) == 28 and {hit["class"] for hit in every if hit["seen"] is None} == {"zebra"}
    assert {hit["class"] for hit in every if hit["seen"] is False} == unseen and len(unseen) == 2
    assert {hit["class"] for hit in every if hit["seen"] is True}.isdisjoint(unseen)
    sheep = asked(client, text="a horse", classes=["sheep", "cat"], k=50)["hits"]
    assert {hit["class"] for hit in sheep} == {"sheep", "cat"} and len(sheep) == 12


def test_a_result_is_searched_by(client, trained, live):
    for modality, find in (("image", "image"), ("image", "text"), ("text", "image"), ("text", "text")):
        answer = asked(client, item="dog3.png", modality=modality, find=find, k=4)
        own = search_by_item(live.opened().gallery, "dog3.png", modality=modality, find=find, k=4)
        assert ids(answer) == [hit.item.id for hit in own.hits]
        if modality == find:
            assert ids(answer)[0] == "dog3.png" and answer["hits"][0]["score"] == pytest.approx(1, abs=1e-6)
    of_file = asked_with_picture(client, trained.photos / "dog3.png", k=24)
    assert of_file["find"] == "text" and of_file["query"] == "dog3.png" and of_file["modality"] == "image"
    by_item = asked(client, item="dog3.png", modality="image", k=24)
    assert ids(by_item) == ids(of_file), "the code of a picture is the one that is stored"


def test_the_gallery_is_described(client):
    facts = client.get("/api/gallery").json()
    assert (facts["name"], facts["method"], facts["dataset"], facts["backend"]) == ("gallery", "cca", "mine", "exact")
    assert facts["protocol"].startswith("protocol ") and "setting=seen_unseen" in facts["protocol"]
    parts = {figure["part"]: figure for figure in facts["figures"]}
    assert {"unseen", "seen", "harmonic"} <= set(parts) and 0 < parts["unseen"]["i2t"] <= 1
    assert parts["unseen"]["measure"] == "mAP@all" and len(facts["class_split"]) == 12
    assert facts["modalities"] == {"image": {"items": 28}, "text": {"items": 24}}
    assert [own["name"] for own in facts["classes"]] == ["cat", "dog", "horse", "sheep", "zebra"]
    assert facts["classes"][-1] == {"name": "zebra", "seen": None, "items": {"image": 4, "text": 0}}
    assert facts["can_query"] == {"image": True, "text": True} and facts["why_not"] == {"image": "", "text": ""}
    limits = {"k": 50, "query_characters": 300, "upload_bytes": 1 << 20, "image_pixels": 1_000_000}
    assert facts["limits"] == limits and facts["reranks"] is False and facts["demo"] is False
    assert client.get("/healthz").json()["items"] == 52


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_item_is_found_by_any_id(client, served_folder, name):
    name = name if name.endswith(".png") else f"{name}.png"
    hit = next(hit for hit in asked(client, text="a horse", classes=["zebra"])["hits"] if hit["id"] == name)
    assert hit["image_url"] == f"/api/items/image/{quote(name, safe='')}/picture"
    picture = client.get(hit["image_url"])
    assert picture.status_code == 200 and picture.content == (served_folder / "odd" / name).read_bytes()
    assert picture.headers["content-type"] == "image/png"
    item = client.get(hit["image_url"].removesuffix("/picture"))
    assert item.json() == {key: hit[key] for key in item.json()} and item.json()["id"] == name
    assert ids(asked(client, item=name, modality="image", find="image"))[0] == name


def test_the_document_and_its_page_name_every_address(client):
    document = client.get("/openapi.json").json()
    page = client.get("/docs")
    assert set(document["paths"]) == {
        "/healthz",
        "/api/gallery",
        "/api/search",
        "/api/search/class",
        "/api/search/image",
        "/api/items/{modality}/{item}",
        "/api/items/{modality}/{item}/picture",
    }
    assert all(path in page.text for path in document["paths"]) and "unknown_words" in page.text
    assert "<script" not in page.text and "http://" not in page.text and "https://" not in page.text
    assert client.get("/static/docs.css").headers["content-type"].startswith("text/css")
