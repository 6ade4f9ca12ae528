"""What a server refuses, by whom it is asked, and that it answers after all of it."""

from __future__ import annotations

import io
import json
import shutil
import socket
import struct
import zlib
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from masln.errors import ConfigError
from masln.retrieval import Gallery
from masln.web import Limits, LiveGallery
from masln.web.app import make_app
from tests.web.serving import answering

# Pillow says so of a picture's head, and the command line has it keep quiet.
pytestmark = pytest.mark.filterwarnings("ignore:Image size:PIL.Image.DecompressionBombWarning")
CSP = (
    "default-src 'none'; img-src 'self' blob:; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width, height, *, rows=None):
    """A PNG of so many white pixels, in a few kB; whole, or cut off after some rows."""
    packed = zlib.compressobj(9)
    row = b"\0" + b"\xff" * (width // 8)
    data = b"".join(packed.compress(row) for _ in range(height if rows is None else rows)) + packed.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def json_body(content):
    return {"content": content, "headers": {"content-type": "application/json"}}


def picture(content, **fields):
    return {"files": {"file": ("some.png", content)}, "data": fields}


def in_pieces(total):
    """A multipart body of so many bytes that does not say how long it is."""
    yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="x.png"\r\n\r\n'
    for _ in range(total >> 16):
        yield b"\0" * (1 << 16)
    yield b"\r\n--b--\r\n"


def raw_field(name, value):
    parts = ((b'name="file"; filename="\xff.png"', png_of(8, 8)), (b'name="%b"' % name, value))
    body = b"".join(b"--b\r\ncontent-disposition: form-data; %b\r\n\r\n%b\r\n" % own for own in parts)
    return {"content": body + b"--b--\r\n", "headers": MULTIPART}


HUGE = 50_000_000
MULTIPART = {"content-type": "multipart/form-data; boundary=b"}
ABUSE = {
    "a body of 50 MB": ("/api/search/image", lambda: picture(b"\0" * HUGE), 413, "more than"),
    "50 MB in pieces": ("/api/search/image", lambda: {"content": in_pieces(HUGE), "headers": MULTIPART}, 413, "more"),
    "a file above the limit": ("/api/search/image", lambda: picture(b"\0" * ((1 << 20) + 9)), 413, "1,048,576 bytes"),
    "100 megapixels": ("/api/search/image", lambda: picture(png_of(10_000, 10_000)), 413, "10000 x 10000"),
    "more than Pillow opens": ("/api/search/image", lambda: picture(png_of(20_000, 10_000, rows=1)), 413, "pixels"),
    "no picture": ("/api/search/image", lambda: picture(b"GIF98a, or so it says"), 415, "no picture of a known kind"),
    "an SVG": ("/api/search/image", lambda: picture(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), 415, "no picture"),
    "half a picture": ("/api/search/image", lambda: picture(png_of(64, 64)[:70]), 400, "damaged or truncated"),
    "an empty file": ("/api/search/image", lambda: picture(b""), 400, "empty"),
    "no file": ("/api/search/image", lambda: {"data": {"k": "3"}}, 422, "file: Field required"),
    "a field that is no number": ("/api/search/image", lambda: picture(png_of(8, 8), k="x"), 422, "k: "),
    "a field that is no UTF-8": ("/api/search/image", lambda: raw_field(b"classes", b"\xff\xfe"), 400, "class"),
    "a broken multipart": ("/api/search/image", lambda: {"content": b"--b", "headers": MULTIPART}, 422, "file"),
    "a text of 1 MB": ("/api/search", lambda: {"json": {"text": "a" * 1_000_000}}, 413, "bytes"),
    "a long text": ("/api/search", lambda: {"json": {"text": "a" * 301}}, 413, "301 characters, at the most 300"),
    "bytes that are no UTF-8": ("/api/search", lambda: json_body(b'{"text": "\xff\xfe"}'), 400, "not JSON in UTF-8"),
    "half a surrogate pair": ("/api/search", lambda: json_body(b'{"text": "\\ud800"}'), 422, "text: "),
    "malformed JSON": ("/api/search", lambda: json_body(b'{"text": "a'), 422, "not JSON"),
    "deep JSON": ("/api/search", lambda: json_body(b"[" * 60_000), 400, "JSON"),
    "a number of 5,000 digits": ("/api/search", lambda: json_body(b'{"k": ' + b"9" * 5_000 + b"}"), 400, "JSON"),
    "not a number": ("/api/search", lambda: json_body(b'{"text": "a", "k": NaN}'), 422, "k: "),
    "no JSON at all": ("/api/search", lambda: {"content": "text=a"}, 415, "application/json"),
    "an empty body": ("/api/search", lambda: json_body(b""), 422, "required"),
    "an unknown key": ("/api/search", lambda: {"json": {"text": "a", "kk": 3}}, 422, "kk: "),
    "no query": ("/api/search", lambda: {"json": {}}, 400, "give one query"),
    "two queries": ("/api/search", lambda: {"json": {"text": "a", "item": "b"}}, 400, "give one query"),
    "an item of no modality": ("/api/search", lambda: {"json": {"item": "cat0.png"}}, 400, "modality"),
    "an item of nobody": ("/api/search", lambda: {"json": {"item": "x", "modality": "image"}}, 400, "no image 'x'"),
    "another modality": ("/api/search", lambda: {"json": {"text": "a", "find": "sound"}}, 422, "find: "),
    "k of nothing": ("/api/search", lambda: {"json": {"text": "a", "k": 0}}, 422, "k: "),
    "k above the limit": ("/api/search", lambda: {"json": {"text": "a", "k": 51}}, 400, "k is 51, at the most 50"),
    "rerank above it": ("/api/search", lambda: {"json": {"text": "a", "rerank": 51}}, 400, "rerank is 51"),
    "rerank without a joint score": ("/api/search", lambda: {"json": {"text": "horse", "rerank": 9}}, 400, "joint"),
    "only unknown words": ("/api/search", lambda: {"json": {"text": "qwzx"}}, 400, "known to word2vec: qwzx"),
    "an unknown class": ("/api/search", lambda: {"json": {"text": "cat", "classes": ["hoarse"]}}, 400, "'horse'"),
}


@pytest.mark.parametrize("case", ABUSE)
def test_bad_input_is_refused_in_one_line_and_the_server_answers_on(client, trained, served_folder, case):
    address, request, status, message = ABUSE[case]
    answer = client.post(address, **request())
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"] and message in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    for folder in (trained.folder, served_folder):
        assert str(folder) not in answer.text
    assert client.post("/api/search", json={"text": "a horse", "k": 1}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../live.py",
        "/static/..%2flive.py",
        "/static/%2e%2e/live.py",
        "/static//etc/passwd",
        "/static/..\\live.py",
        "/static/",
        "/../../etc/passwd",
        "/api/items/image/..%2F..%2Ftable.csv/picture",
        "/api/items/image/%2Fetc%2Fpasswd/picture",
        "/api/items/image/cat0.png%00/picture",
        "/api/items/image/%ff/picture",
        "/api/items/text/nobody",
        "/api/items/image/cat0.png/picture/more",
    ],
)
def test_paths_lead_nowhere(client, path):
    answer = client.get("http://" + client.base_url.netloc.decode() + path)
    assert answer.status_code == 404 and list(answer.json()) == ["error"]


def test_paths_are_sent_as_they_stand(client):
    """Clients tidy a path up before they send it; an attacker does not."""
    for path in (b"/static/../live.py", b"/static/../../../../../../etc/passwd", b"/api/items/image/../../live.py"):
        with socket.create_connection((client.base_url.host, client.base_url.port)) as own:
            own.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path)
            answer = own.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 404 ")


def test_other_methods_and_modalities(client):
    assert client.get("/api/search").status_code == 405
    assert client.delete("/api/items/image/cat0.png").status_code == 405
    assert client.get("/api/items/sound/cat0.png").status_code == 422


def test_every_answer_has_the_headers(client):
    for path in ("/docs", "/api/gallery", "/healthz", "/nothing", "/api/items/image/cat0.png/picture", "/api/search"):
        headers = client.get(path).headers
        assert headers["content-security-policy"] == CSP, path
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_only_the_names_of_this_machine_are_answered(client, live):
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.nip.io:80", "", "[::2]"):
        answer = client.get("/api/gallery", headers={"host": host})
        assert answer.status_code == 400 and "not called by that name" in answer.json()["error"], host
        assert answer.headers["content-security-policy"] == CSP
    for host in ("localhost", "LOCALHOST:8765", "127.0.0.1:1", "[::1]:8765"):
        assert client.get("/healthz", headers={"host": host}).status_code == 200
    with answering(make_app(live)) as open_to_all:
        assert open_to_all.get("/healthz", headers={"host": "gallery.example"}).status_code == 200


def test_only_pictures_are_sent_and_only_from_their_folder(trained, served_folder, tmp_path):
    """A gallery may come from anybody, and name what it likes."""
    own = tmp_path / "gallery"
    shutil.copytree(served_folder / "gallery", own)
    shutil.copytree(served_folder / "odd", tmp_path / "odd")
    (tmp_path / "secret.png").write_bytes(png_of(8, 8))
    segment = next(
        folder for folder in own.glob("image-*") if "zebra" in (folder / "items.jsonl").read_text(encoding="utf-8")
    )
    lines = (segment / "items.jsonl").read_text(encoding="utf-8").splitlines()
    names = [json.loads(line)["id"] for line in lines]
    taken = {names[0]: "../secret.png", names[1]: str(tmp_path / "secret.png"), names[2]: "text.png"}
    (tmp_path / "odd" / "text.png").write_text("no picture", encoding="utf-8")
    (tmp_path / "odd" / names[3]).unlink()
    items = [{**json.loads(line), "image": taken.get(json.loads(line)["id"], names[3])} for line in lines]
    written = [json.dumps(item, ensure_ascii=False).encode() + b"\n" for item in items]
    (segment / "items.jsonl").write_bytes(b"".join(written))
    starts = np.cumsum([0, *map(len, written[:-1])]).astype(np.int64)
    np.save(segment / "starts.npy", starts)
    manifest = json.loads((own / "gallery.json").read_text(encoding="utf-8"))
    for entry in manifest["sides"]["image"]["segments"]:
        if entry["folder"] == segment.name:
            entry["facts"]["images"] = str(tmp_path / "odd")
    (own / "gallery.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert len(Gallery(own)) == 52
    with answering(make_app(LiveGallery(own))) as client:
        for name, status in zip(names, (404, 404, 415, 404), strict=True):
            answer = client.get(f"/api/items/image/{quote(name, safe='')}/picture")
            assert answer.status_code == status and "error" in answer.json(), (name, answer.text)
        assert client.get("/api/items/image/cat0.png/picture").status_code == 200


def test_a_picture_is_what_its_bytes_say(client):
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(stream, "JPEG")
    answer = client.post("/api/search/image", files={"file": ("x.png", stream.getvalue())}, data={"k": "1"})
    assert answer.status_code == 200 and answer.json()["query"] == "x.png"


def test_limits_have_sense():
    with pytest.raises(ConfigError, match="limit k must be at least 1, got 0"):
        Limits(k=0)
    with pytest.raises(ConfigError, match="image_pixels is 64,000,000 at the most"):
        Limits(image_pixels=10**9)
