"""A browser that tests drive, and what they do on the search page with it."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def chromium() -> Iterator:
    """The machine's Chromium, driven by Playwright; skips the test where either is missing."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium or chrome on this machine")
    playwright.expect.set_options(timeout=60_000)  # the machine may be busy; nothing waits longer than it must
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def cards(page):
    return page.get_by_role("list").filter(has=page.locator("li.hit")).get_by_role("listitem")


def shown(page) -> list[tuple[str, str]]:
    """Classes and scores of what is shown, in order."""
    expect = pytest.importorskip("playwright.sync_api").expect
    expect(page.get_by_role("status").first).to_contain_text("found in")
    texts = [" ".join(text.split()) for text in cards(page).all_inner_texts()]
    return [re.search(r"(\S+) (?:seen|unseen|new) score (\S+)$|$", text).groups() for text in texts]


def ask(page, sentence: str):
    page.get_by_role("searchbox", name="Search by a sentence").fill(sentence)
    page.keyboard.press("Enter")
    expect = pytest.importorskip("playwright.sync_api").expect
    expect(page.get_by_role("heading", level=2).first).to_contain_text(sentence)


def drop(page, content: bytes, name: str, kind: str):
    script = """([content, name, type]) => {
        const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], name, { type }));
        for (const kind of ["dragenter", "dragover", "drop"])
            document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(script, [base64.b64encode(content).decode(), name, kind])


#: How the element with the focus is outlined, the label drawn in its place or the card around it.
RING = """[document.activeElement, document.activeElement.nextElementSibling].filter((e) => e)
    .map((e) => getComputedStyle(e).outlineStyle + getComputedStyle(e, "::after").outlineStyle).join()"""

#: The ratio of WCAG 2 between each text and the first ground behind it that is drawn.
CONTRASTS = """() => {
    const rgb = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (e) => {
        for (; e; e = e.parentElement) {
            const own = rgb(getComputedStyle(e).backgroundColor);
            if (own.length < 4 || own[3] === 1) return own;
        }
        return [255, 255, 255];
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const told = [];
    while (texts.nextNode()) {
        const { parentElement: e, data } = texts.currentNode;
        if (!data.trim() || !e.checkVisibility() || e.closest(".spoken, noscript")) continue;
        const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
        told.push({ text: data, ratio: (a + 0.05) / (b + 0.05) });
    }
    return told;
}"""
