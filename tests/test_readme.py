from __future__ import annotations

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    code = re.search(r"## The same from Python\n\n```python\n(.*?)```", README, flags=re.S).group(1)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    unseen, seen = map(float, capsys.readouterr().out.split())
    assert 0.12 < unseen < 1 and 0.12 < seen < 1, "chance is .11"
    assert (tmp_path / "my_model" / "model.safetensors").is_file()


def test_every_command_line_in_the_readme_is_understood():
    """Each option that the examples use is one that the command has."""
    import click

    from masln.cli import cli

    blocks = "".join(re.findall(r"```sh\n(.*?)```", README, flags=re.S))
    lines = re.findall(r"^(masln [^#\n]*)", blocks, flags=re.M)
    assert lines
    for line in lines:
        for single in line.split(";"):
            words = single.split()
            command: click.Command = cli
            while isinstance(command, click.Group) and len(words) > 1:
                words = words[1:]
                command = command.get_command(click.Context(command), words[0])
                assert command is not None, single
            known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
            assert {word for word in words if word.startswith("--")} <= known, single


def test_pictures_that_the_readme_shows_are_there():
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        content = (Path(__file__).parents[1] / path).read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) > 10_000


def test_tables_of_sets_and_methods_are_the_catalogue_and_the_registry():
    from benchmarks.report import methods_block, sets_block

    assert sets_block().strip() in README
    assert methods_block().strip() in README


def test_every_recipe_that_is_named_is_there():
    from importlib.util import find_spec

    from masln.data import data_sources

    named = {source.recipe for source in data_sources().values()} | set(re.findall(r"data_prep\.(\w+)", README))
    assert len(named) > 12
    assert all(find_spec(f"data_prep.{name}") for name in named), named
