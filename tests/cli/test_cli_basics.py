"""The command line as a user meets it: help, mistakes, data and methods."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from masln import __version__
from masln.cli import cli
from masln.errors import ConfigError
from masln.models import method_resolver
from tests.conftest import ROOT
from tests.experiments.small import write_several_labels

COMMANDS = ("data", "evaluate", "methods", "prepare", "train")


def test_help_imports_nothing_heavy():
    program = (
        "import sys\n"
        "from masln.cli import main\n"
        "commands = (['train'], ['prepare'], ['encode'], ['data', 'check'], ['data', 'fetch'], ['data', 'show'])\n"
        "commands += (['index', 'build'], ['search'])\n"
        "for arguments in (['--help'], ['--version'], *([*command, '--help'] for command in commands)):\n"
        "    try:\n"
        "        main(arguments)\n"
        "    except SystemExit as stop:\n"
        "        assert stop.code == 0, arguments\n"
        "heavy = {'torch', 'numpy', 'pandas', 'sklearn', 'scipy', 'gensim', 'rich', 'matplotlib'} & set(sys.modules)\n"
        "heavy |= {'pooch', 'requests'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_python_m_masln_is_the_command(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "masln", "--help"], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0 and all(name in done.stdout for name in COMMANDS)
    done = subprocess.run(
        [sys.executable, "-m", "masln", "trian"], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 2 and "did you mean 'train'?" in done.stderr and "Traceback" not in done.stderr


def test_version():
    assert CliRunner().invoke(cli, ["--version"]).output == f"masln, version {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["train"],
        ["prepare"],
        ["encode"],
        ["evaluate"],
        ["methods"],
        ["reproduce"],
        ["index"],
        ["index", "build"],
        ["index", "add"],
        ["index", "remove"],
        ["index", "info"],
        ["search"],
        ["data"],
        ["data", "list"],
        ["data", "fetch"],
        ["data", "info"],
        ["data", "check"],
        ["data", "show"],
    ],
)
def test_every_command_has_help(arguments):
    done = CliRunner().invoke(cli, [*arguments, "--help"])
    assert done.exit_code == 0 and done.output.startswith("Usage: ")
    assert CliRunner().invoke(cli, [*arguments, "-h"]).output == done.output


def test_help_of_train_shows_every_default():
    from masln.cli.train_command import train
    from masln.experiments import RunConfig

    words = " ".join(CliRunner().invoke(cli, ["train", "--help"], env={"COLUMNS": "400"}).output.split())
    for parameter in train.params:
        if parameter.name in ("config", "settings", "help") or (parameter.is_flag and not parameter.secondary_opts):
            continue
        entry = words.split(f" {parameter.opts[0]}", 1)[1]
        following = min((entry.find(f" {p.opts[0]}") for p in train.params if f" {p.opts[0]}" in entry), default=None)
        assert "[default: " in entry[:following], parameter.name
    # what help says is what a configuration without options has
    config, defaults = RunConfig(), {p.name: p.default for p in train.params}
    for name in ("method", "data", "class_split", "unseen_share", "seed", "splits", "seeds", "select", "device"):
        assert defaults[name] == getattr(config, name), name
    for name in ("setting", "gallery", "normalize", "relevance"):
        assert defaults[name] == getattr(config.protocol, name), name
    assert defaults["precision"] == config.precision
    assert tuple(defaults["baselines"].split(",")) == config.baselines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "did you mean 'train'?"),
        (["train", "--metod", "cca"], "--method"),
        (["train", "--split", "seen"], "'seen' is not one of"),
        (["train", "--seed", "x"], "--seed"),
        (["train", "--seeds", "0"], "--seeds"),
        (["train", "--method", "maslm"], "unknown method 'maslm' (did you mean 'masln'?)"),
        (["train", "--baselines", "cca,chanse"], "unknown method 'chanse' (did you mean 'chance'?)"),
        (["train", "--data", "emojy"], "unknown dataset 'emojy' (did you mean 'emoji'?)"),
        (["train", "--set", "epoch=3"], "'epoch' (did you mean 'epochs'?)"),
        (["train", "--set", "epochs"], "write key=value"),
        (["train", "--set", "protocol.galery=test"], "did you mean 'gallery'?"),
        (["train", "--config", "absent.yaml"], "absent.yaml"),
        (["train", "--class-split", "party"], "did you mean 'parity'?"),
        (["train", "--class-split", "listed"], "listed rule needs the names"),
        (["train", "--class-split", "listed:absent.txt"], "absent.txt"),
        (["train", "--unseen-share", "1.5"], "must lie between 0 and 1"),
        (["train", "--unseen-share", "0.99"], "at least two are needed"),
        (["train", "--split", "standard", "--gallery", "train"], "standard setting searches the test items"),
        (["train", "--relevance", "shared"], "'shared' is not one of"),
        (["train", "--relevance", "shared-label"], "relevance 'shared-label' needs label sets"),
        (["train", "--relevance", "instance", "--gallery", "train"], "relevance 'instance' needs the gallery 'test'"),
        (["train", "--splits", "2", "--class-split", "parity"], "several splits need the random class split"),
        (["train", "--resume"], "--resume needs --out"),
        (["train", "extra"], "extra"),
        (["methods", "maslm"], "unknown method 'maslm' (did you mean 'masln'?)"),
        (["evaluate", "absent"], "absent is no run directory"),
        (["evaluate"], "Missing argument"),
        (["data", "info", "emojy"], "did you mean 'emoji'?"),
        (["data", "check", "."], "is no bundle"),
        (["data", "chek"], "chek"),
    ],
)
def test_mistakes_are_one_line_and_exit_with_2(masln, arguments, message):
    done = masln(*arguments)
    assert done.code == 2
    assert "Traceback" not in done.err and done.out == ""
    (line,) = [line for line in done.err.splitlines() if line.startswith("Error: ")]
    assert message in line
    assert list(Path.cwd().iterdir()) == [], "a refused command writes nothing"


@pytest.mark.parametrize(
    "setting",
    ["learning_rate=1e-3x", "epochs=many", "hidden=512", "batch_size=2.5", "listed=3", "correlation=", "device=gpu"],
)
def test_settings_of_the_wrong_type_are_one_line_and_exit_with_2(masln, bundle, setting):
    done = masln("train", "--data", str(bundle), "--no-plots", "--baselines", "", "--set", setting)
    assert done.code == 2 and done.err.startswith("Error: ") and done.err.count("\n") == 1


def test_debug_shows_the_traceback():
    done = subprocess.run(
        [sys.executable, "-m", "masln", "evaluate", "absent", "--debug"], capture_output=True, text=True, cwd=ROOT
    )
    assert "Traceback" in done.stderr and "absent is no run directory" in done.stderr and done.returncode != 0


def test_messages_of_several_lines_are_folded_into_one(masln, monkeypatch):
    def fail(name: str) -> None:
        raise ConfigError("first\n  second")

    monkeypatch.setattr("masln.models.make_method", fail)
    assert masln("methods", "cca").err == "Error: first second\n"


def test_methods_are_listed_and_described(masln):
    done = masln("methods")
    assert done.code == 0 and all(name in done.out for name in method_resolver.lookup_dict)
    rows = json.loads(masln("methods", "--json").out)
    assert [row["method"] for row in rows] == sorted(method_resolver.lookup_dict)
    assert all(row["sequences"] == method_resolver.lookup_dict[row["method"]].takes_sequences for row in rows)
    assert {row["method"] for row in rows if row["sequences"]} >= {"chance", "fusionembedding"}
    for name, cls in method_resolver.lookup_dict.items():
        rows = json.loads(masln("methods", name, "--json").out)
        assert {row["hyper-parameter"]: row["default"] for row in rows} == {
            key: repr(value) for key, value in cls().get_params().items()
        }
        searched = {row["hyper-parameter"]: row["searched"] for row in rows if row["searched"]}
        assert searched == {key: ", ".join(map(str, values)) for key, values in cls.search_space.items()}
        widened = {row["hyper-parameter"] for row in rows if row["with a budget"]}
        assert widened == set(cls.budget_space)
        assert rows[0]["hyper-parameter"] in masln("methods", name).out


def test_data_list_shows_the_bundled_default(masln):
    (row,) = [row for row in json.loads(masln("data", "list", "--json").out) if row["name"] == "emoji"]
    assert row["pairs"] > 1000 and row["classes"] >= 20 and row["licence"]
    assert "emoji" in masln("data", "list").out


def test_data_info_describes_a_bundle(masln, bundle):
    facts = json.loads(masln("data", "info", str(bundle), "--json").out)
    assert (facts["name"], facts["pairs"], facts["licence"]) == ("synthetic", 64, "CC0")
    assert facts["train / test"] == "48 / 16" and "class3 (8)" in facts["classes (pairs)"]
    assert "not recomputed" in facts["hashes"]
    assert "verified" in masln("data", "info", str(bundle), "--verify").out


def test_data_check_reports_leaks(masln, bundle):
    report = json.loads(masln("data", "check", str(bundle), "--json").out)
    assert report["pairs"] == 64 and report["duplicate_image_rows"] == 0 and report["class_embeddings"] == "complete"
    assert "duplicate image rows" in masln("data", "check", str(bundle)).out


def test_data_info_and_check_tell_of_label_sets(masln, tmp_path, bundle):
    several = str(write_several_labels(tmp_path / "several"))
    facts = json.loads(masln("data", "info", several, "--json").out)
    sets = np.load(tmp_path / "several" / "label_sets.npy")
    count = int((sets.sum(axis=1) > 1).sum())
    assert facts["label sets"] == f"{sets.sum() / len(sets):.2f} labels a pair on average, {count} pairs with several"
    assert f"class3 (16, carried by {sets[:, 3].sum()})" in facts["classes (pairs)"]
    report = json.loads(masln("data", "check", several, "--json").out)
    assert (report["labels_per_pair"], report["pairs_with_several_labels"]) == (sets.sum() / len(sets), count)
    assert "pairs with several labels" in masln("data", "check", several).out
    assert json.loads(masln("data", "info", str(bundle), "--json").out)["label sets"] == "none"


@pytest.mark.parametrize("command", [["data", "info"], ["data", "check"], ["train", "--no-plots", "--data"]])
def test_a_truncated_bundle_is_refused(masln, bundle, command):
    path = bundle / "image.npy"
    path.write_bytes(path.read_bytes()[:-50])
    done = masln(*command, str(bundle))
    assert done.code == 2 and done.err.startswith("Error: ") and done.err.count("\n") == 1
    assert "image.npy" in done.err and "make the bundle again" in done.err


@pytest.mark.parametrize("command", [["data", "info", "--verify"], ["data", "check"]])
def test_a_rehashed_bundle_is_refused(masln, bundle, command):
    values = np.load(bundle / "text.npy")
    values[0, 0] += 1
    np.save(bundle / "text.npy", values)
    done = masln(*command, str(bundle))
    assert done.code == 2 and "text.npy does not match its hash" in done.err and done.err.count("\n") == 1
