"""``masln serve``, as a user gives it: a program of its own, ended by a signal."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from masln.web import address_of, bound_socket, run_server, server
from tests.conftest import ROOT

httpx = pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("fastapi", reason="FastAPI is not installed")


@pytest.fixture
def gallery(masln, trained) -> str:
    done = masln("index", "build", str(trained.run), "--from", str(trained.bundle), "--out", "gallery")
    assert done.code == 0, done.err
    return "gallery"


def test_it_serves_until_it_is_ended(gallery):
    command = [sys.executable, "-m", "masln", "serve", gallery, "--port", "0", "--most-k", "3"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment, **pipes) as running:
        try:
            line = running.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+/", line)
            assert address, line + running.stderr.read()
            with httpx.Client(base_url=address[0], trust_env=False, timeout=60) as client:
                found = client.post("/api/search", json={"text": "a small horse", "k": 3})
                assert len(found.json()["hits"]) == 3
                assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 400
                assert client.post("/api/search", json={"text": "a", "k": 4}).status_code == 400
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
        finally:
            running.kill()
    assert (running.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_without_an_error(number):
    async def answers(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"here"})

    def ask_and_end():
        assert httpx.get(address_of(bound), trust_env=False).text == "here"
        os.kill(os.getpid(), number)

    handler = signal.getsignal(number)
    with bound_socket("127.0.0.1", 0) as bound, ThreadPoolExecutor(1) as pool:
        bound.listen()
        asking = pool.submit(ask_and_end)
        run_server(answers, bound)
        asking.result()
    assert signal.getsignal(number) == handler


def test_mistakes_are_one_line(masln, gallery, trained):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments, message in (
            ([], "give a GALLERY"),
            ([gallery, "--demo"], "give a GALLERY"),
            (["--demo", "--run", "x"], "leave --run out"),
            ([gallery, "--cache", "x"], "leave it out"),
            (["nowhere", "--port", "0"], "nowhere is no gallery"),
            ([gallery, "--port", port], f"cannot serve at 127.0.0.1:{port} (Address already in use); choose another"),
            ([gallery, "--host", "192.0.2.1", "--port", "0"], "choose another --host"),
            ([gallery, "--port", "0", "--run", str(trained.other_run)], "only codes of one model can be compared"),
            ([gallery, "--port", "0", "--run", "nowhere"], "nowhere is no run directory"),
            ([gallery, "--port", "0", "--most-k", "0"], "the limit k must be at least 1"),
        ):
            done = masln("serve", *arguments)
            assert done.code == 2 and message in done.err and done.err.count("\n") == 1, (arguments, done.err)
            assert done.out == ""
    assert masln("serve", gallery, "--port", "70000").code == 2
    assert sorted(path.name for path in Path().iterdir()) == ["gallery"]


@pytest.mark.parametrize(
    ("module", "package"), [("fastapi", "fastapi"), ("uvicorn", "uvicorn"), ("python_multipart", "python-multipart")]
)
def test_a_missing_package_is_named(masln, gallery, monkeypatch, module, package):
    monkeypatch.setattr(server, "find_spec", lambda name: None if name == module else find_spec(name))
    done = masln("serve", gallery)
    assert done.code == 2 and done.err == f"Error: masln serve needs {package}, which is not installed: {INSTALL}\n"


INSTALL = "pip install 'masln[web]'"
