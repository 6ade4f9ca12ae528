"""``masln index`` and ``masln search``, as a user gives them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.retrieval.same_ids import assert_same_ids


@pytest.fixture
def gallery(masln, trained) -> str:
    done = masln("index", "build", str(trained.run), "--from", str(trained.bundle), "--out", "gallery")
    assert done.code == 0, done.err
    assert "gallery: gallery" in done.out and "exact (precision=fp32)" in done.out
    return "gallery"


def test_from_a_run_to_an_answer(masln, trained, gallery):
    done = masln("search", gallery, "a small horse in the field", "--k", "3", "--json")
    answer = json.loads(done.out)
    assert answer["query"] == "a small horse in the field" and len(answer["hits"]) == 3
    assert set(answer["hits"][0]) == {"rank", "score", "reranked", "id", "class", "text", "image"}
    shown = masln("search", gallery, "a horse called Qwzx", "--k", "2", "--class", "sheep")
    assert shown.code == 0 and "not known, and so not looked for: qwzx" in shown.out and "sheep" in shown.out
    assert "cat" not in shown.out
    picture = masln("search", gallery, "--image", str(trained.photos / "cat0.png"), "--find", "image", "--json")
    assert json.loads(picture.out)["hits"][0]["id"] == "cat0.png"
    Path("queries.txt").write_text("a cat\na dog\n", encoding="utf-8")
    lines = masln("search", gallery, "--texts", "queries.txt", "--json").out.splitlines()
    assert [json.loads(line)["query"] for line in lines] == ["a cat", "a dog"]
    many = masln("search", gallery, "--images", str(trained.photos), "--k", "1")
    assert many.out.count("rank") == 24


def test_items_come_and_go(masln, trained, gallery):
    Path("new.csv").write_text("id,text\nfirst,a striped horse\n", encoding="utf-8")
    assert masln("encode", str(trained.run), "--texts", "new.csv", "--class", "zebra", "--out", "codes").code == 0
    done = masln("index", "add", gallery, "--from", "codes", "--json")
    assert json.loads(done.out)["added"] == {"text": 1}
    hits = json.loads(masln("search", gallery, "a striped horse", "--find", "text", "--k", "1", "--json").out)["hits"]
    assert (hits[0]["id"], hits[0]["class"]) == ("first", "zebra") and hits[0]["score"] > 0.999
    assert "already" in masln("index", "add", gallery, "--from", "codes").err
    assert masln("index", "add", gallery, "--from", "codes", "--replace").code == 0
    assert "removed 12 images, 13 texts" not in masln("index", "info", gallery).out
    done = masln("index", "remove", gallery, "--class", "zebra", "--id", "cat0.png")
    assert done.code == 0 and "removed 1 images, 2 texts" in done.out
    info = json.loads(masln("index", "info", gallery, "--json").out)
    assert info["sides"]["image"]["items"] == 23 and info["sides"]["text"]["items"] == 23
    assert info["model"]["method"] == "cca" and info["backend"] == {"name": "exact", "precision": "fp32"}
    assert masln("index", "add", gallery, "--from", str(trained.bundle), "--replace").code == 0
    assert json.loads(masln("index", "info", gallery, "--json").out)["sides"]["image"]["items"] == 24
    assert sorted(path.name for path in Path().iterdir()) == ["codes", "gallery", "new.csv"]


def test_an_approximate_index_tells_its_recall(masln, trained):
    pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    arguments = ["--from", str(trained.bundle), "--out", "fast", "--backend", "faiss", "--set", "index=hnsw"]
    done = masln("index", "build", str(trained.run), *arguments, "--set", "links=8")
    assert done.code == 0 and "recall@10 against exact" in done.out and "links=8" in done.out, done.err
    value = json.loads(masln("index", "info", "fast", "--json").out)
    assert 0.9 < value["sides"]["image"]["recall@10"] <= 1


def test_a_class_that_came_later_is_a_query(masln, trained):
    run = ["--data", str(trained.bundle), "--method", "eszsl", "--no-select", "--baselines", "", "--no-plots"]
    assert (done := masln("train", *run, "--out", "run")).code == 0, done.err
    assert masln("index", "build", "run", "--from", str(trained.bundle), "--out", "gallery").code == 0
    Path("new.csv").write_text("id,text\nfirst,a striped zebra\n", encoding="utf-8")
    assert masln("encode", "run", "--texts", "new.csv", "--class", "zebra", "--out", "codes").code == 0
    assert masln("index", "add", "gallery", "--from", "codes").code == 0
    arguments = ["--new-class", "zebra", "--find", "text", "--json"]
    answer = json.loads(masln("search", "gallery", *arguments, "--k", "25").out)
    assert (answer["query"], answer["modality"], len(answer["hits"])) == ("zebra", "class", 25)
    found = [(hit["id"], hit["class"], hit["score"]) for hit in answer["hits"] if hit["class"] == "zebra"]
    assert len(found) == 1 and found[0][0] == "first"
    [only] = json.loads(masln("search", "gallery", *arguments, "--class", "zebra").out)["hits"]
    assert (only["id"], only["class"], only["score"]) == found[0]
    Path("v.txt").write_text(" ".join(["0.5"] * 50), encoding="utf-8")
    own = masln("search", "gallery", "--new-class", "mine", "--class-vector", "v.txt", "--k", "2")
    assert own.code == 0 and ".png" in own.out
    done = masln("search", "gallery", "--new-class", "zzxq")
    assert done.code == 2 and "no vector for the class 'zzxq'" in done.err and done.err.count("\n") == 1


def test_mistakes_are_one_line(masln, trained, gallery):
    run, other = str(trained.run), str(trained.other_run)
    for arguments, message in (
        (["search", gallery], "give one query"),
        (["search", gallery, "horse", "--image", "x.png"], "give one query"),
        (["search", gallery, "qwzx"], "no word of it is known to word2vec: qwzx"),
        (["search", gallery, "horse", "--run", other], "only codes of one model can be compared"),
        (["search", gallery, "horse", "--class", "hoarse"], "did you mean 'horse'"),
        (["search", gallery, "horse", "--rerank", "5"], "cca has no joint score"),
        (["search", gallery, "--new-class", "zebra"], "cca has no code for a class, only cadavae, dadn, eszsl, jfse,"),
        (["search", gallery, "--new-class", "zebra", "horse"], "give one query"),
        (["search", gallery, "--new-class", "zebra", "--rerank", "5"], "a joint score is of a picture and a text"),
        (["search", gallery, "horse", "--class-vector", "x.npy"], "go with --new-class"),
        (["search", gallery, "--image", "nowhere.png"], "no such image file: nowhere.png"),
        (["search", "nowhere", "horse"], "nowhere is no gallery"),
        (["index", "build", run, "--from", str(trained.bundle), "--out", gallery], "gallery exists"),
        (["index", "build", run, "--from", "nowhere", "--out", "second"], "unknown dataset 'nowhere'"),
        (["index", "build", run, "--from", "x", "--out", "y", "--backend", "fais"], "did you mean 'faiss'"),
        (["index", "add", gallery, "--from", str(trained.bundle)], "already"),
        (["index", "add", gallery, "--from", str(trained.bundle), "--run", other], "only codes of one model"),
        (["index", "remove", gallery, "--id", "nobody"], "no item 'nobody'"),
        (["index", "remove", gallery], "nothing to remove"),
    ):
        done = masln(*arguments)
        assert done.code == 2 and message in done.err and done.err.count("\n") == 1, (arguments, done.err)
    assert sorted(path.name for path in Path().iterdir()) == ["gallery"]


def test_real_photos_and_captions_find_themselves(masln, shared_data):
    photos = pd.read_csv(shared_data / "rsicd" / "photos.csv")
    classes = ["Airport", "Beach", "Bridge", "Forest", "Port", "Viaduct"]
    chosen = photos[photos["class"].isin(classes)].groupby(["class", "split"]).head(6)
    chosen[["image", "class", "split", "caption_1"]].to_csv("photos.csv", index=False)
    folder = str(shared_data / "rsicd" / "photos")
    arguments = ["--images", folder, "--table", "photos.csv", "--text-column", "caption_1", "--out", "bundle"]
    assert (done := masln("prepare", *arguments)).code == 0, done.err
    arguments = ["--data", "bundle", "--method", "cca", "--no-select", "--baselines", "", "--no-plots", "--out", "run"]
    assert (done := masln("train", *arguments)).code == 0, done.err
    assert (done := masln("index", "build", "run", "--from", "bundle", "--out", "gallery")).code == 0, done.err
    own = chosen.iloc[0]
    for query in ([own["caption_1"], "--find", "text"], ["--image", f"{folder}/{own['image']}", "--find", "image"]):
        hit = json.loads(masln("search", "gallery", *query, "--k", "1", "--json").out)["hits"][0]
        assert hit["class"] == own["class"] and hit["score"] > 0.999
    found = json.loads(masln("search", "gallery", own["caption_1"], "--class", "Port", "--json").out)["hits"]
    assert found and {hit["class"] for hit in found} == {"Port"}
    pytest.importorskip("onnx", reason="onnx is not installed")
    for kind in ("onnx", "safetensors"):
        assert (done := masln("export", "run", "--format", kind, "--out", kind)).code == 0, done.err
    exports = {"onnx": Path("onnx"), "safetensors": Path("safetensors")}
    assert_same_ids(masln, Path("gallery"), text=own["caption_1"], picture=Path(folder) / own["image"], **exports)
