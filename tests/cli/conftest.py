"""A small bundle, and the command line run in an empty folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from masln.cli import main
from tests.experiments.small import write_small_bundle


class Done(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


@pytest.fixture
def bundle(tmp_path) -> Path:
    return write_small_bundle(tmp_path / "bundle")


@pytest.fixture
def masln(capsys, tmp_path, monkeypatch) -> Callable[..., Done]:
    """Run ``masln ARGUMENTS`` in this process, in a folder of its own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: str) -> Done:
        code: object = 0
        try:
            main(list(arguments))
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return Done(int(code or 0), out, err)  # type: ignore[call-overload]

    return run
