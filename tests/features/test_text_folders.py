"""Folders of texts: `.txt` files and the Wikipedia articles, damaged and hostile ones among them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masln.errors import DataError, MaslnError
from masln.features import read_article, read_texts

ARTICLE = """<?xml version="1.0" encoding="UTF-8"?>
<document name="Größe &amp; Form">
 <section><name>History</name></section>
 <imageset><image id="abc123"/></imageset>
 <text>First &lt;b&gt;paragraph, größe.
 Second <i>one</i> &amp; end.</text>
</document>
"""
PLAIN = "First <b>paragraph, größe.\n Second one & end."


def test_a_folder_of_txt(tmp_path):
    (tmp_path / "art").mkdir()
    (tmp_path / "b.txt").write_text("two\n", encoding="utf-8")
    (tmp_path / "art" / "a.txt").write_text("größe", encoding="utf-8")
    (tmp_path / "notes.md").write_text("no pair", encoding="utf-8")
    (tmp_path / "._b.txt").write_bytes(b"\xff")
    table = read_texts(tmp_path)
    assert dict(zip(table.ids, table.captions, strict=True)) == {"art/a": ("größe",), "b": ("two",)}
    (tmp_path / "c.txt").write_bytes(b"line\nb\xe4r")
    (tmp_path / "d.txt").write_text("  \n", encoding="utf-8")
    with pytest.raises(DataError, match=r"c.txt:2: byte 0xe4"):
        read_texts(tmp_path)
    skipped = read_texts(tmp_path, on_error="skip")
    assert skipped.ids == table.ids and len(skipped.skipped) == 2
    (tmp_path / "a.xml").write_text(ARTICLE, encoding="utf-8")
    with pytest.raises(DataError, match=r"both .txt and .xml"):
        read_texts(tmp_path)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no .txt or .xml file"):
        read_texts(tmp_path)


def test_an_article_is_the_text_of_its_text_element(tmp_path):
    (tmp_path / "0a-1.xml").write_text(ARTICLE, encoding="utf-8")
    table = read_texts(tmp_path)
    assert table.ids == ("0a-1",) and table.captions == ((PLAIN,),)
    assert table.columns == {"name": ("Größe & Form",), "image": ("abc123",)}


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE z [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><document><text>&c;</text></document>'
)
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE z [<!ENTITY a SYSTEM "{}">]><document><text>&a;</text></document>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, "declares a document type"),
        ("<!DOCTYPE html><document><text>a</text></document>", "declares a document type"),
        (ARTICLE[:-20], r":\d+: not well-formed XML"),
        (ARTICLE.replace("&amp;", "&nbsp;"), "undefined entity"),
        (ARTICLE.replace("text>", "body>"), "no <text> element"),
        ("", "no element found"),
    ],
)
def test_a_wrong_article_is_one_line(tmp_path, content, message):
    path = tmp_path / "a.xml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_article(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_no_file_is_ever_drawn_in(tmp_path):
    (tmp_path / "secret").write_text("secret words", encoding="utf-8")
    path = tmp_path / "a.xml"
    path.write_text(OUTSIDE.format((tmp_path / "secret").as_uri()), encoding="utf-8")
    for recover in (False, True):
        with pytest.raises(DataError, match="document type"):
            read_article(path, recover=recover)


def test_an_article_that_is_not_well_formed_can_be_recovered_where_its_text_is_whole(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("<document><text>a & b &lt; c</text></document>", encoding="utf-8")
    with pytest.raises(DataError, match="or recover its <text>"):
        read_article(path)
    assert read_article(path, recover=True)[0] == "a & b < c"
    path.write_text("<document><text>a & b &lt; c</te", encoding="utf-8")
    with pytest.raises(DataError, match="not well-formed"):
        read_article(path, recover=True)


@settings(
    derandomize=True, max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(-1, 7))
def test_a_damaged_article_gives_an_error_or_a_text_of_about_its_length(tmp_path, where, bit):
    path = tmp_path / "a.xml"
    content = bytearray(ARTICLE.rstrip().encode())
    at = int(where * len(content))
    if bit < 0:
        content = content[:at]
    else:
        content[at] ^= 1 << bit
    path.write_bytes(content)
    try:
        text, _ = read_article(path)
    except MaslnError as error:
        assert "\n" not in str(error) and str(path) in str(error)
        return
    assert bit >= 0
    # A letter may have become another, and an entity its letters; a comment or element may not have swallowed anything.
    assert abs(len(text.strip()) - len(PLAIN)) <= len("&amp;") - 1
