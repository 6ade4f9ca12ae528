"""The page that shows a bundle: whole in one file, safe whatever stands in the data, readable by all."""

from __future__ import annotations

import base64
import dataclasses
import io

import numpy as np
import pytest

pytest.importorskip("PIL")
from PIL import Image

from masln.data import bundle_hash
from masln.errors import CheckpointError, DataError
from masln.inspection import draw_pairs, find_pictures
from masln.reporting import BundlePage, check_page_target, make_bundle_page, write_page
from tests.inspection.gallery import make_gallery
from tests.reporting.page_reader import Reader


def page_of(dataset, *, pairs: int = 3, images=None) -> tuple[BundlePage, Reader]:
    page = make_bundle_page(dataset, draw_pairs(dataset, pairs=pairs, seed=0), find_pictures(dataset, images))
    return page, Reader(page.html.decode("utf-8"))


@pytest.fixture
def gallery(tmp_path):
    return make_gallery(tmp_path / "photos")


def test_pairs_of_each_class_with_their_pictures_and_texts(gallery):
    page, reader = page_of(gallery)
    assert list(page.shown) == ["class0", "class1", "class2"] and not page.unread and not page.notes
    rows = [row for ids in page.shown.values() for row in (int(name.removeprefix("pair")) for name in ids)]
    assert len(rows) == 9
    for row, image in zip(rows, reader.all("img"), strict=True):
        kind, data = image["src"].split(",", 1)
        assert kind == "data:image/jpeg;base64"
        shown = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
        assert shown.size == (int(image["width"]), int(image["height"])) == (24, 24)
        own = np.asarray(Image.open(gallery.manifest["recipe"]["images"] + f"/{row // 8}/{row}.png"), dtype=float)
        assert np.abs(np.asarray(shown, dtype=float).mean(axis=(0, 1)) - own.mean(axis=(0, 1))).max() < 8
        assert gallery.texts[row] in reader.text
        assert image["alt"] == f"class{row // 8}, picture of pair pair{row}"
    assert bundle_hash(gallery) in reader.text
    assert page.counts["class1"] == {"train": 6, "validation": 0, "test": 2}


def test_a_large_picture_is_made_small(gallery, tmp_path):
    for path in (tmp_path / "photos").rglob("*.png"):
        Image.open(path).resize((1200, 900)).save(path)
    page, reader = page_of(gallery)
    assert {(image["width"], image["height"]) for image in reader.all("img")} == {("256", "192")}
    assert len(page.html) < 9 * 40_000


def test_it_asks_nothing_of_the_network_and_runs_nothing(gallery):
    page, reader = page_of(gallery)
    assert not {"script", "link", "iframe", "object", "form", "base"} & {tag for tag, _ in reader.elements}
    for tag, attributes in reader.elements:
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
        for name in ("src", "href"):
            if name in attributes:
                assert attributes[name].startswith(("data:image/jpeg;base64,", "#"))
    html = page.html.decode()
    assert "url(" not in html and "@import" not in html and "http:" not in html and "https:" not in html
    (policy,) = [meta["content"] for meta in reader.all("meta") if meta.get("http-equiv")]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_who_cannot_see_or_use_a_mouse_can_read_it(gallery):
    _, reader = page_of(gallery)
    assert reader.all("html") == [{"lang": "en"}] and len(reader.all("h1")) == 1 and len(reader.all("main")) == 1
    assert all(image["alt"] for image in reader.all("img"))
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [link["href"].removeprefix("#") for link in reader.all("a")]
    assert set(targets) <= set(ids) and {"pairs", "class-0", "class-2"} <= set(targets)
    for _, attributes in reader.elements:
        assert attributes.get("aria-labelledby", ids[0]) in ids
    assert {scope["scope"] for scope in reader.all("th")} == {"col", "row"}
    viewport = [meta["content"] for meta in reader.all("meta") if meta.get("name") == "viewport"]
    assert viewport == ["width=device-width, initial-scale=1"]


def test_every_class_of_a_pair_is_shown_and_counted(gallery):
    sets = np.eye(4, dtype=bool)[gallery.labels]
    sets[0, [1, 3]] = True
    sets[9, 2] = True
    several = dataclasses.replace(
        gallery,
        class_names=(*gallery.class_names, "sky & sea"),
        class_embeddings=np.concatenate([gallery.class_embeddings, gallery.class_embeddings[:1] + 1]),
        label_sets=sets,
    )
    page, reader = page_of(several, pairs=8)
    assert page.html.count(b'class="also"') == 2
    card = reader.text.split(str(gallery.texts[0]))[1].split("pair0")[0]
    assert " ".join(card.split()) == "also class1, sky & sea id"
    card = reader.text.split(str(gallery.texts[9]))[1].split("pair9")[0]
    assert " ".join(card.split()) == "also class2 id"
    assert page.counts["class1"] == {"train": 6, "validation": 0, "test": 2}
    assert page.carried["class1"] == {"train": 7, "validation": 0, "test": 2}
    assert page.carried["sky & sea"] == {"train": 1, "validation": 0, "test": 0}
    assert sum(sum(parts.values()) for parts in page.counts.values()) == 24
    assert page.notes[0] == "2 pairs carry several classes (1.12 a pair); they are counted and shown under the main one"
    assert page.notes[0] in reader.text and "8 of 8, carried by 9" in reader.text
    assert "0 of 0, carried by 1" in reader.text and "no pairs with this as the main class" in reader.text
    assert "also" not in page_of(gallery)[1].text and page_of(gallery)[0].carried is None


HOSTILE = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>'{{ 7*7 }}&amp;</style><!--"


def test_whatever_stands_in_the_data_is_text(gallery, tmp_path):
    names = (HOSTILE, "javascript:alert(3)", "\u202eevil\ud800\0")
    hostile = dataclasses.replace(
        gallery,
        name=HOSTILE,
        class_names=names,
        texts=np.array([f"{HOSTILE} {row}" for row in range(24)]),
        ids=np.array([f"{HOSTILE}{row}" for row in range(24)]),
        image_paths=np.array([f"{row}{HOSTILE}" for row in range(24)]),
        label_sets=np.ones((24, 3), dtype=bool),
        manifest={
            "licence": HOSTILE,
            "source": HOSTILE,
            "recipe": {"images": str(tmp_path / "photos"), HOSTILE: [HOSTILE], "deep": {"name": HOSTILE}},
        },
    )
    page, reader = page_of(hostile)
    assert "script" not in {tag for tag, _ in reader.elements} and not reader.all("img")
    for _, attributes in reader.elements:
        assert not any(name.startswith("on") for name in attributes)
    assert reader.text.count(HOSTILE) > 20 and "{{ 7*7 }}" in reader.text, "as it is, and not 49"
    assert len(page.unread) == 9 and all("no image" in line for line in page.unread)


def test_a_picture_that_cannot_be_read_is_told_in_its_place(gallery, tmp_path):
    (tmp_path / "photos/0/0.png").unlink()
    (tmp_path / "photos/1/8.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    page, reader = page_of(gallery, pairs=8)
    assert len(reader.all("img")) == 22 and len(page.unread) == 2
    for line in page.unread:
        assert f"no picture: {line}" in reader.text
    assert "0/0.png" in page.unread[0] and "8.png" in page.unread[1]


def test_without_pictures_the_page_shows_texts_and_says_why(gallery):
    for dataset, why in (
        (dataclasses.replace(gallery, image_paths=None), "the bundle names no pictures"),
        (dataclasses.replace(gallery, manifest={}), "give --images DIR"),
    ):
        page, reader = page_of(dataset)
        assert page.notes == (f"no pictures: {why}",) and page.notes[0] in reader.text
        assert not reader.all("img") and not page.unread
        for shown in (name for ids in page.shown.values() for name in ids):
            assert f"picture {shown.removeprefix('pair')}:" in reader.text


def test_without_texts_split_or_pairs(gallery):
    bare = dataclasses.replace(gallery, texts=None, split=None, class_embeddings=None).take(np.arange(10))
    page, reader = page_of(bare)
    assert reader.text.count("no text") == 5 and "no pairs" in reader.text
    assert page.counts["class2"] == {"unsplit": 0}
    assert [note.split(":")[0] for note in page.notes] == [
        "the bundle has no official split",
        "classes with few pairs",
        "there are no class embeddings",
    ]


def test_warnings_are_those_of_the_leakage_report(gallery):
    texts, vectors = gallery.texts.tolist(), gallery.class_embeddings.copy()
    texts[0], vectors[1] = "a class0 here", 0
    groups = np.array([str(row // 2) for row in range(24)])
    split = np.where(gallery.labels == 2, "train", gallery.split)
    changed = dataclasses.replace(gallery, texts=np.array(texts), class_embeddings=vectors, groups=groups, split=split)
    page, reader = page_of(changed)
    assert page.notes == (
        "classes without a test pair: class2",
        "4 groups have pairs in training and in test",
        "1 of 24 texts name their class",
        "classes without a class embedding: class1",
    )
    assert all(note in reader.text for note in page.notes)


def test_a_long_text_is_folded_and_a_boundless_one_cut(gallery):
    long, boundless = "word " * 300, "x" * 90_000
    texts = np.array([long, boundless] * 12)
    page, reader = page_of(dataclasses.replace(gallery, texts=texts))
    assert len(reader.all("details")) == 1 + 9, "the recipe, and each text"
    assert len(page.html) < 200_000 and long.strip() in reader.text and "x" * 5001 not in reader.text


def test_sequence_features_one_class_and_one_pair(gallery):
    one = dataclasses.replace(
        gallery,
        image=np.repeat(gallery.image[:, None], 3, axis=1),
        text=np.repeat(gallery.text[:, None], 2, axis=1),
        text_mask=np.ones((24, 2), dtype=bool),
        labels=np.zeros(24, dtype=int),
        class_names=("all",),
        class_embeddings=None,
    )
    page, reader = page_of(one.take(np.arange(1)))
    assert page.shown == {"all": ["pair0"]} and "float32 (1, 3, 24)" in reader.text


def test_the_recipe_in_words_and_whole(gallery):
    recipe = {
        "images": gallery.manifest["recipe"]["images"],
        "image_extractor": {"hash": "12", "name": "efficientnet-lite0"},
        "columns": {"text": ["caption_1", "caption_2"], "group": None},
        "masked": False,
        "words": ["word"] * 99,
        "batch_size": 16,
    }
    facts = page_of(dataclasses.replace(gallery, manifest={"recipe": recipe}))[1].text
    for line in ("recipe: image extractorefficientnet-lite0", "recipe: columnstext: caption_1, caption_2"):
        assert line in facts
    assert "recipe: masked" not in facts and "recipe: batch size16" in facts
    assert '"group": null' in facts and facts.count('"word"') == 99


class TestWriting:
    def test_nothing_is_replaced_unasked(self, tmp_path, gallery):
        page, _ = page_of(gallery)
        target = tmp_path / "new" / "page.html"
        check_page_target(target)
        write_page(page.html, target)
        assert target.read_bytes() == page.html and [path.name for path in target.parent.iterdir()] == ["page.html"]
        with pytest.raises(DataError, match=r"page\.html exists; choose another --out, or give --overwrite"):
            check_page_target(target)
        check_page_target(target, overwrite=True)
        with pytest.raises(DataError, match="is a folder; name a file in it"):
            check_page_target(tmp_path, overwrite=True)

    def test_a_disk_that_refuses_leaves_what_was_there(self, tmp_path, gallery):
        page, _ = page_of(gallery)
        (tmp_path / "file").touch()
        with pytest.raises(DataError, match="cannot make the folder"):
            write_page(page.html, tmp_path / "file" / "page.html")
        with pytest.raises(CheckpointError, match="cannot write"):
            write_page(page.html, tmp_path / ("a" * 300))
