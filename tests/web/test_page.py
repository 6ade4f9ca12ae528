"""The search page as its user meets it: a browser types, drops, clicks and reads; server, run and gallery are real."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from masln.experiments import bundle_items, open_encoder, text_items
from masln.retrieval import build_gallery, make_backend, search, write_codes
from masln.web import Limits, LiveGallery, demo
from masln.web.app import make_app
from masln.web.guard import LOOPBACK_NAMES
from tests.preparation.collection import CLASSES
from tests.retrieval.trained import train_joint_scorer
from tests.web.browser import CONTRASTS, RING, ask, cards, chromium, drop, shown
from tests.web.serving import answering

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

EXACT = make_backend("exact")
HOSTILE = "<img src=x onerror=\"document.title='run'\"><b>a small dog</b> {{7*7}} &amp;"
SENTENCE = "a small horse alone"


@pytest.fixture(scope="module")
def encoder(trained):
    return open_encoder(trained.run)


@pytest.fixture(scope="module")
def gallery(trained, encoder, tmp_path_factory):
    """Of the bundle, without the pictures of cats, and with a text of a class that the run knows nothing of."""
    folder = tmp_path_factory.mktemp("served")
    items = bundle_items(encoder, trained.bundle)
    codes = write_codes(items.collections, folder / "codes", model=encoder.facts, facts=items.facts)
    made = build_gallery(codes, folder / "mine", backend=EXACT)
    made.remove(classes=["cat"], modality="image")
    (folder / "hostile.json").write_text(json.dumps([{"id": "h/1 %2e", "text": HOSTILE, "class": "<i>odd</i>"}]))
    more = text_items(encoder, folder / "hostile.json", class_column="class")
    made.add(write_codes(more.collections, folder / "more", model=encoder.facts, facts=more.facts))
    return made


@pytest.fixture(scope="module")
def address(gallery):
    limits = Limits(query_characters=200, upload_bytes=20_000, image_pixels=10_000)
    with answering(make_app(LiveGallery(gallery.folder), limits=limits, hosts=LOOPBACK_NAMES)) as client:
        yield str(client.base_url)


@pytest.fixture(scope="module")
def browser():
    with chromium() as own:
        yield own


@pytest.fixture
def look(browser, address):
    """Open the page in a window of its own; whatever it does, no script fails and nothing is blocked."""
    opened, wrong = [], []

    def said(message):
        if message.type == "error" and "Failed to load resource" not in message.text:
            wrong.append(message.text)

    def at(place: str = "", *, base: str = address, **options):
        window = browser.new_context(**options)
        opened.append(window)
        page = window.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", said)
        page.goto(base + place)
        expect(page.get_by_role("contentinfo")).to_contain_text("Protocol")
        return page

    yield at
    for window in opened:
        window.close()
    assert not wrong


def found(gallery, encoder, query, **options) -> list[tuple[str, str]]:
    [answer] = search(gallery, encoder, [query], **{"k": 12, **options})
    return [(hit.item.label, f"{hit.score:.3f}") for hit in answer.hits]


def test_a_sentence_that_is_typed_finds_what_search_finds(look, gallery, encoder):
    page = look()
    expect(page.get_by_role("heading", level=1)).to_have_text("mine")
    expect(page.get_by_role("banner")).to_contain_text("18 pictures · 25 texts · 5 classes")
    ask(page, f"{SENTENCE} zzqx")
    assert shown(page) == found(gallery, encoder, SENTENCE + " zzqx", modality="text", find="image")
    expect(page.get_by_text("Not known to the model, so without effect: zzqx")).to_be_visible()
    for picture in page.locator(".hit img").all():
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("naturalWidth", 24)
    page.get_by_text("Texts", exact=True).click()
    expect(page.get_by_role("heading", level=2).first).to_have_text(f"Texts like “{SENTENCE} zzqx”")
    page.get_by_role("combobox", name="Show").select_option("24")
    expect(cards(page)).to_have_count(24)
    assert shown(page) == found(gallery, encoder, SENTENCE + " zzqx", modality="text", find="text", k=24)


def test_seen_and_unseen_are_told_in_words(look, trained):
    split = json.loads((trained.run / "cca" / "split0-seed0" / "class_split.json").read_text())
    names = split["class_names"]
    unseen = {names[number] for number in split["unseen"]}
    page = look(f"#q={SENTENCE}&find=text&k=24")
    expect(cards(page)).to_have_count(24)
    for card in cards(page).all():
        name = card.locator(".class").inner_text()
        told = "new" if name.startswith("<i>") else "unseen" if name in unseen else "seen"
        expect(card.get_by_text(told, exact=True)).to_be_visible()


@pytest.mark.parametrize("way", ["chosen", "dropped"])
def test_a_picture_finds_itself_and_texts(look, trained, gallery, encoder, way):
    file = trained.photos / "horse2.png"
    page = look("#find=image&k=12")
    if way == "chosen":
        page.get_by_label("Choose a picture").set_input_files(file)
    else:
        drop(page, file.read_bytes(), file.name, "image/png")
    expect(page.get_by_role("heading", level=2).first).to_have_text("Pictures like your picture horse2.png")
    assert shown(page)[0] == ("horse", "1.000")
    assert shown(page) == found(gallery, encoder, str(file), modality="image", find="image")
    expect(page.locator("#asked img")).to_have_js_property("naturalWidth", 24)
    page.get_by_text("Texts", exact=True).click()
    expect(page.get_by_role("heading", level=2).first).to_have_text("Texts for your picture horse2.png")
    assert shown(page) == found(gallery, encoder, str(file), modality="image", find="text")
    page.reload()
    expect(page.get_by_role("alert")).to_have_text("That picture is not kept in the address. Choose it again.")


def test_a_result_is_searched_by_and_the_way_back_and_a_shared_link_lead_to_the_same(look, gallery):
    page = look()
    ask(page, SENTENCE)
    before = shown(page)
    link = cards(page).nth(3).get_by_role("link")
    name = " ".join(link.inner_text().split())
    assert name.startswith("Search by this picture: ")
    link.focus()
    page.keyboard.press("Enter")
    title = page.get_by_role("heading", level=2).first
    expect(title).to_have_text(f"Pictures like the picture “{name.removeprefix('Search by this picture: ')}”")
    expect(title).to_be_focused()
    after = shown(page)
    assert after[0][1] == "1.000" and after != before
    other = look(page.url.split("/")[-1])
    expect(other.get_by_role("heading", level=2).first).to_have_text(title.inner_text())
    assert shown(other) == after
    page.go_back()
    expect(title).to_have_text(f"Pictures for “{SENTENCE}”")
    assert shown(page) == before
    expect(page.get_by_role("searchbox", name="Search by a sentence")).to_have_value(SENTENCE)
    page.go_forward()
    expect(title).to_contain_text("like the picture")
    assert shown(page) == after


def test_classes_are_filtered_and_an_empty_result_says_so(look, gallery, encoder):
    page = look()
    ask(page, SENTENCE)
    everything = shown(page)
    summary = page.locator("summary")
    summary.focus()
    page.keyboard.press("Enter")
    group = page.get_by_role("group", name="Classes to find")
    expect(group.get_by_role("checkbox")).to_have_count(len(CLASSES) + 1)
    group.get_by_role("checkbox", name="cat").check()
    title = page.get_by_role("heading", level=2).first
    expect(title).to_have_text(f"No pictures for “{SENTENCE}”")
    expect(page.get_by_role("status").first).to_have_text("There are no pictures of cat.")
    expect(cards(page)).to_have_count(0)
    group.get_by_role("checkbox", name="sheep").press("Space")
    expect(cards(page)).to_have_count(6)
    assert shown(page) == found(gallery, encoder, SENTENCE, modality="text", find="image", classes=["cat", "sheep"])
    expect(summary).to_have_text("2 of 5 classes")
    page.go_back()
    page.get_by_role("button", name="Search all classes").click()
    expect(summary).to_have_text("All classes")
    expect(cards(page)).to_have_count(12)
    assert shown(page) == everything
    page.get_by_role("button", name="Only unseen").click()
    expect(summary).to_have_text("Unseen classes")
    expect(cards(page).get_by_text("seen", exact=True)).to_have_count(0)  # the answer comes after the click
    expect(cards(page).get_by_text("unseen", exact=True)).to_have_count(6)


def test_what_is_wrong_is_told_and_the_page_goes_on(look, tmp_path):
    page = look()
    posted = []
    page.on("request", lambda request: request.method == "POST" and posted.append(request.url))
    alert = page.get_by_role("alert")
    box = page.get_by_role("searchbox", name="Search by a sentence")
    box.fill("x" * 201)
    box.press("Enter")
    expect(alert).to_have_text("The sentence has 201 characters; it may have 200 characters.")
    expect(box).to_have_attribute("aria-invalid", "true")
    chooser = page.get_by_label("Choose a picture")
    large = tmp_path / "large.png"
    large.write_bytes(np.random.default_rng(0).bytes(20_001))
    chooser.set_input_files(large)
    expect(alert).to_contain_text("large.png has 20,001 bytes; a picture may have 20,000 bytes.")
    from PIL import Image

    Image.new("RGB", (101, 100)).save(tmp_path / "wide.png")
    chooser.set_input_files(tmp_path / "wide.png")
    expect(alert).to_have_text("wide.png is 101 × 100 pixels; a picture may have 10,000 pixels. Make it smaller.")
    drop(page, b"words", "notes.txt", "text/plain")
    expect(alert).to_have_text("notes.txt is not a picture.")
    assert not posted, "the server's limits are known here"

    ask_wrong = "zzqx qqzx"
    box.fill(ask_wrong)
    box.press("Enter")
    expect(alert).to_contain_text("Nothing can be found by 'zzqx qqzx'")
    drop(page, b"\x89PNG\r\n\x1a\n and no more", "torn.png", "image/png")
    expect(alert).not_to_contain_text("Nothing can be found")
    expect(alert).not_to_be_empty()
    assert len(posted) == 2
    page.context.set_offline(True)
    box.fill(SENTENCE)
    box.press("Enter")
    expect(alert).to_have_text("The server does not answer. Is masln serve still running?")
    expect(box).to_have_value(SENTENCE)
    page.context.set_offline(False)
    box.press("Enter")
    expect(cards(page)).to_have_count(12)
    expect(alert).to_be_empty()
    expect(box).not_to_have_attribute("aria-invalid", "true")


def test_a_search_that_takes_long_is_said_to_go_on_and_the_last_one_wins(look):
    page = look()
    held = []

    def hold(route):
        held.append(route) if "dog" in route.request.post_data else route.continue_()

    page.route("**/api/search", hold)
    box = page.get_by_role("searchbox", name="Search by a sentence")
    box.fill("a dog")
    box.press("Enter")
    expect(page.get_by_role("status").first).to_have_text("Searching…")
    expect(page.locator("#results")).to_have_attribute("aria-busy", "true")
    ask(page, SENTENCE)
    expect(page.locator("#results")).to_have_attribute("aria-busy", "false")
    [late] = held
    late.fulfill(json={"hits": [], "seconds": 1})
    page.evaluate("fetch('/api/gallery').then((answer) => answer.json())")  # long enough for what is late to arrive
    expect(page.get_by_role("heading", level=2).first).to_have_text(f"Pictures for “{SENTENCE}”")


def test_whatever_stands_in_the_data_is_text(look):
    page = look("#q=a small dog&find=text&k=96")
    card = cards(page).filter(has_text="odd")
    expect(card).to_contain_text(HOSTILE)
    expect(card.locator(".class")).to_have_text("<i>odd</i>")
    expect(page.locator("main :is(i, b)")).to_have_count(0)
    card.get_by_role("link").click()
    expect(page.get_by_role("heading", level=2).first).to_have_text(f"Texts like the text “{HOSTILE}”")
    page.reload()
    expect(page.get_by_role("heading", level=2).first).to_have_text(f"Texts like the text “{HOSTILE}”")
    assert page.title() != "run"
    page.goto(page.url.split("#")[0] + f"#q=dog {HOSTILE}".replace("&", "%26"))
    expect(page.get_by_role("heading", level=2).first).to_contain_text(HOSTILE)


def test_the_footer_has_the_figures_of_the_run(look, trained):
    page = look()
    own = trained.run / "cca" / "split0-seed0"
    parts = json.loads((own / "metrics.json").read_text())["parts"]
    footer = page.get_by_role("contentinfo")
    rows = footer.get_by_role("row").all_inner_texts()[1:]
    expected = [
        [part, *(f"{_value(directions[way]):.3f}" for way in ("i2t", "t2i", "average"))]
        for part, directions in parts.items()
    ]
    assert [row.split("\t") for row in rows] == expected
    protocol = json.loads((own / "protocol.json").read_text())
    expect(footer).to_contain_text(f"{protocol['hash']}: setting={protocol['setting']}")
    expect(footer).to_contain_text(json.loads((own / "class_split.json").read_text())["hash"])


def _value(direction):
    return direction.get("metrics", direction)["mAP"]


def test_the_keyboard_alone_reaches_all_in_order(look):
    page = look(f"#q={SENTENCE}")
    expect(cards(page)).to_have_count(12)
    page.get_by_role("searchbox", name="Search by a sentence").focus()
    reached = []
    for _ in range(7):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        assert "solid" in page.evaluate(RING), reached[-1]
    assert reached == ["go", "file", "find-image", "k", "SUMMARY", "A", "A"]


def test_landmarks_and_names_for_a_screen_reader(look):
    page = look(f"#q={SENTENCE}")
    expect(cards(page)).to_have_count(12)
    expect(page.get_by_role("main")).to_match_aria_snapshot(
        """
        - main:
          - search "The gallery":
            - searchbox "Search by a sentence"
            - button "Search"
            - button "Choose a picture"
            - group "Find":
              - radio "Pictures" [checked]
              - radio "Texts"
            - paragraph:
              - combobox "Show"
          - region "What was found":
            - heading /Pictures for/ [level=2]
            - status: /12 found in/
            - list:
              - listitem:
                - paragraph:
                  - link /a small/
        """
    )
    assert page.evaluate("document.documentElement.lang") == "en"
    pictures = page.locator("main img")
    assert {one.get_attribute("alt") for one in pictures.all()} == {""}, "their texts stand beside them"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(look, scheme):
    page = look(f"#q={SENTENCE} zzqx&k=12", color_scheme=scheme)
    expect(cards(page)).to_have_count(12)
    page.locator("summary").click()
    page.get_by_role("searchbox", name="Search by a sentence").focus()
    worst = page.evaluate(CONTRASTS)
    assert len(worst) > 60
    assert not [told for told in worst if told["ratio"] < 4.5]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", ground))) < 64) == (scheme == "dark")


def test_a_phone_shows_all_of_it_without_scrolling_sideways(look):
    page = look(f"#q={SENTENCE}&find=image", viewport={"width": 360, "height": 740}, has_touch=True)
    expect(cards(page)).to_have_count(12)
    page.locator("summary").tap()
    expect(page.get_by_role("checkbox", name="horse")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    first, second, third = (card.bounding_box() for card in cards(page).all()[:3])
    assert first["y"] == second["y"] < third["y"] and first["x"] == third["x"], "two side by side"


def test_the_first_are_reranked_by_a_method_that_can(look, trained, tmp_path):
    joint = train_joint_scorer(trained, tmp_path)
    encoder = open_encoder(joint / "run")
    items = bundle_items(encoder, joint / "bundle")
    codes = write_codes(items.collections, joint / "codes", model=encoder.facts, facts=items.facts)
    made = build_gallery(codes, joint / "gallery", backend=EXACT)
    with answering(make_app(LiveGallery(made.folder), hosts=LOOPBACK_NAMES)) as client:
        page = look(base=str(client.base_url))
        box = page.get_by_role("checkbox", name="Re-rank by the joint score")
        expect(box).to_be_hidden()
        ask(page, SENTENCE)
        by_codes = shown(page)
        assert by_codes == found(made, encoder, SENTENCE, modality="text", find="image")
        box.check()
        expect(page.get_by_role("status").first).to_contain_text("re-ranked by the joint score")
        reranked = shown(page)
        assert reranked == found(made, encoder, SENTENCE, modality="text", find="image", rerank=50) != by_codes
        page.get_by_text("Texts", exact=True).click()
        expect(page.get_by_role("heading", level=2).first).to_contain_text("Texts like")
        expect(box).to_be_hidden()


@pytest.fixture(scope="module")
def emoji(tmp_path_factory):
    """The address of the demo, its run a linear one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "_CONFIG", dataclasses.replace(demo._CONFIG, method="cca"))  # in a second
        made = demo.make_demo(tmp_path_factory.mktemp("emoji"))
    live = LiveGallery(made.gallery, run=made.run)
    with answering(make_app(live, hosts=LOOPBACK_NAMES, demo=True)) as client:
        yield str(client.base_url)


def test_emoji_are_shown_as_the_characters_themselves(look, emoji):
    page = look("#item=1f431-noto&of=image&find=image", base=emoji)
    expect(cards(page)).to_have_count(12)
    expect(page.locator("#asked")).to_contain_text("\N{CAT FACE}")
    characters = page.locator(".hit .character").all_inner_texts()
    assert len(characters) == 12 and "\N{CAT FACE}" in characters[0]
    assert all(ord(text[0]) > 0x2000 for text in characters)
