"""``masln train`` and ``masln evaluate``, whole, on a small synthetic bundle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masln.data import read_bundle, write_bundle
from masln.models import MASLN
from tests.conftest import ROOT, make_pairs
from tests.experiments.small import TINY, write_several_labels

SETTINGS = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
FAST = ["--no-plots", "--no-select", "--device", "cpu", *SETTINGS]


def rebuilt(folder: Path, **changes: Any) -> Path:
    """A bundle whose arrays were changed after it was made, with a manifest that says so."""
    import dataclasses

    pairs = dataclasses.replace(make_pairs(classes=8, per_class=8), **changes)
    return write_bundle(folder, pairs, licence="", source="", recipe={})


def test_the_main_job_from_training_to_evaluation(masln, bundle):
    done = masln("train", "--data", str(bundle), "--out", "run", "--plots", "--device", "cpu", *SETTINGS)
    assert done.code == 0 and done.err == ""
    for word in ("protocol ", "unseen", "seen", "generalized unseen", "harmonic", "masln", "cca", "chance", "wins"):
        assert word in done.out
    assert done.out.rstrip().endswith("run directory: run (4 plots)")
    run = Path("run")
    assert {p.name for p in run.iterdir()} == {
        "config.yaml", "environment.json", "metrics.json", "masln", "cca", "chance", "plots",
    }  # fmt: skip
    again = masln("evaluate", "run", "--json")
    assert again.code == 0
    assert json.loads(again.out)["rows"] == json.loads((run / "metrics.json").read_text())["rows"]
    assert masln("evaluate", "run").out in done.out


def test_json_is_json_and_nothing_else(masln, bundle):
    done = masln("train", "--data", str(bundle), "--out", "run", "--json", "--splits", "2", *FAST)
    value = json.loads(done.out)
    assert done.err == "" and len(value["class_splits"]) == 2
    assert {row["interval"] for row in value["rows"]} == {"splits"}
    assert value["rows"] == json.loads(Path("run/metrics.json").read_text())["rows"]


def test_quiet_prints_the_table_alone(masln, bundle):
    loud = masln("train", "--data", str(bundle), "--out", "loud", *FAST)
    quiet = masln("train", "--data", str(bundle), "--out", "quiet", "--quiet", *FAST)
    assert quiet.code == 0 and quiet.err == ""
    assert "run directory" not in quiet.out and "permutation" not in quiet.out
    assert loud.out.startswith(quiet.out), "the table is the same, notes come after it"


def test_the_default_directory_names_data_method_and_setting(masln, bundle):
    assert masln("train", "--data", str(bundle), "--method", "chance", "--no-plots", "--baselines", "").code == 0
    (run,) = Path("runs").iterdir()
    assert run.name.startswith("bundle-chance-seen_unseen-")


def test_an_existing_out_is_refused_and_left_alone(masln, bundle):
    Path("thesis").mkdir()
    Path("thesis/chapter.tex").write_text("precious")
    done = masln("train", "--data", str(bundle), "--out", "thesis", *FAST)
    assert done.code == 2 and "thesis exists; choose another --out, or add --resume" in done.err
    assert [p.name for p in Path("thesis").iterdir()] == ["chapter.tex"]
    assert Path("thesis/chapter.tex").read_text() == "precious"


def test_an_out_that_cannot_be_made_is_one_line(masln, bundle):
    Path("file").write_text("")
    done = masln("train", "--data", str(bundle), "--out", "file/run", *FAST)
    assert done.code == 2 and done.err.startswith("Error: ") and done.err.count("\n") == 1


def test_a_run_goes_on_where_it_stopped(masln, bundle):
    assert masln("train", "--data", str(bundle), "--out", "run", *FAST).code == 0
    before = Path("run/masln/split0-seed0/per_query.csv").read_bytes()
    for name in ("metrics.json", "per_query.csv"):
        Path("run/masln/split0-seed0", name).unlink()
    assert masln("train", "--out", "run", "--resume", "--no-plots").code == 0
    assert Path("run/masln/split0-seed0/per_query.csv").read_bytes() == before
    done = masln("train", "--data", str(bundle), "--out", "absent", "--resume")
    assert done.code == 2 and "nothing to resume" in done.err


def test_seeds_train_in_one_pass_on_request(masln, bundle):
    words = ["train", "--data", str(bundle), "--out", "run", "--seeds", "2", "--batch-seeds", "--baselines", ""]
    refused = masln(*words, "--device", "cpu", *SETTINGS)
    assert refused.code == 2 and "--no-select" in refused.err and not Path("run").exists()
    assert masln(*words, *FAST).code == 0
    for seed in (0, 1):
        facts = json.loads(Path(f"run/masln/split0-seed{seed}/metrics.json").read_text())
        assert facts["seeds_together"] == 2


def test_options_files_and_settings_end_in_the_saved_configuration(masln, bundle):
    from masln.experiments import read_config

    Path("c.yaml").write_text("method: cca\nhyperparameters: {ridge: 0.5}\nprotocol: {normalize: block}\nseed: 3\n")
    Path("unseen.txt").write_text("class1\nclass2\nclass5\n")
    done = masln(
        "train", "--config", "c.yaml", "--data", str(bundle), "--class-split", "listed:unseen.txt", "--gallery",
        "train", "--set", "n_components=4", "--baselines", "", "--out", "run", "--no-plots", "--no-select",
    )  # fmt: skip
    assert done.code == 0 and "normalize=block (transductive" in done.out
    saved = read_config("run/config.yaml")
    assert (saved["method"], saved["seed"], saved["select"]) == ("cca", 3, False)
    assert saved["hyperparameters"] == {"ridge": 0.5, "n_components": 4}
    assert saved["listed"] == ["class1", "class2", "class5"] and saved["baselines"] == []
    assert (saved["protocol"]["gallery"], saved["protocol"]["normalize"]) == ("train", "block")
    split = json.loads(Path("run/cca/split0-seed3/class_split.json").read_text())
    assert split["unseen"] == [1, 2, 5] and split["rule"] == "listed"
    assert masln("train", "--config", "run/config.yaml", "--out", "again", "--no-plots").code == 0
    name = "cca/split0-seed3/per_query.csv"
    assert Path("again", name).read_bytes() == Path("run", name).read_bytes()


@pytest.mark.parametrize("setting", ["seen_unseen", "generalized", "standard"])
def test_every_setting_runs(masln, bundle, setting):
    done = masln("train", "--data", str(bundle), "--split", setting, "--out", "run", "--json", *FAST)
    parts = {row["part"] for row in json.loads(done.out)["rows"]}
    assert (
        parts
        == {
            "seen_unseen": {"unseen", "seen", "generalized unseen", "generalized seen", "harmonic"},
            "generalized": {"generalized unseen", "generalized seen", "harmonic"},
            "standard": {"all"},
        }[setting]
    )


def test_label_sets_are_searched_by_shared_labels(masln, tmp_path):
    several = str(write_several_labels(tmp_path / "several"))
    arguments = ["train", "--data", several, "--splits", "2", *FAST]
    done = masln(*arguments, "--relevance", "shared-label", "--out", "shared")
    assert done.code == 0, done.err
    assert "relevance=shared-label" in done.out
    mixed = json.loads(masln("evaluate", "shared", "--json").out)["mixed_pairs"]
    assert len(mixed) == 2 and all(counts["train"] > 0 for counts in mixed)
    train, test = (", ".join(str(counts[part]) for counts in mixed) for part in ("train", "test"))
    told = f"neither trained on nor queries: {train} training and {test} test pairs (of each class split)."
    assert told in " ".join(done.out.split())
    by_class = json.loads(masln(*arguments, "--out", "class", "--json").out)["rows"]
    shared = json.loads(Path("shared/metrics.json").read_text())["rows"]
    assert [row["part"] for row in shared] == [row["part"] for row in by_class]
    assert all(one["average"] != other["average"] for one, other in zip(shared, by_class, strict=True))


def test_instances_are_the_pairs_themselves(masln, bundle):
    done = masln("train", "--data", str(bundle), "--relevance", "instance", "--out", "run", "--json", *FAST)
    assert done.code == 0 and json.loads(done.out)["protocol"]["relevance"] == "instance"
    assert "median_rank" in Path("run/masln/split0-seed0/metrics.json").read_text()


def test_bf16_parity_seeds_and_tensorboard_run_together(masln, bundle):
    done = masln(
        "train", "--data", str(bundle), "--precision", "bf16", "--class-split", "parity", "--seeds", "2",
        "--tensorboard", "--out", "run", "--json", *FAST,
    )  # fmt: skip
    assert done.code == 0
    assert {row["interval"] for row in json.loads(done.out)["rows"] if row["method"] == "masln"} == {"seeds"}
    assert list(Path("run/masln/split0-seed1").glob("events.out.tfevents.*"))


def refused(masln: Any, folder: Path, message: str, *arguments: str) -> None:
    done = masln("train", "--data", str(folder), "--out", "run", *FAST, *arguments)
    assert done.code == 2 and done.out == ""
    assert done.err.startswith("Error: ") and done.err.count("\n") == 1
    assert message in done.err
    assert not Path("run").exists(), "a refused run leaves no folder in the way of the next one"


def test_a_class_without_a_test_pair_is_refused(masln, tmp_path):
    pairs = make_pairs(classes=8, per_class=8)
    split = pairs.split.copy()
    split[pairs.labels == 4] = "train"
    refused(masln, rebuilt(tmp_path / "b", split=split), "class4")


def test_a_seen_class_without_a_training_pair_is_refused(masln, tmp_path):
    pairs = make_pairs(classes=8, per_class=8)
    split = pairs.split.copy()
    split[pairs.labels == 4] = "test"
    Path("unseen.txt").write_text("class0\n")
    refused(masln, rebuilt(tmp_path / "b", split=split), "class4", "--class-split", "listed:unseen.txt")


def test_fewer_than_two_seen_classes_are_refused(masln, bundle):
    Path("unseen.txt").write_text("\n".join(f"class{i}" for i in range(7)))
    refused(masln, bundle, "1 of 8 classes would be seen", "--class-split", "listed:unseen.txt")


def test_an_unknown_class_in_a_list_is_refused(masln, bundle):
    Path("unseen.txt").write_text("clas3\n")
    refused(masln, bundle, "unknown class 'clas3' (did you mean 'class3'?)", "--class-split", "listed:unseen.txt")


def test_missing_class_embeddings_are_refused(masln, tmp_path):
    refused(masln, rebuilt(tmp_path / "b", class_embeddings=None), "set class_embedding=false")


def test_data_without_an_official_split_are_refused(masln, tmp_path):
    refused(masln, rebuilt(tmp_path / "b", split=None), "has no official split")


def test_sequence_features_are_refused(masln, tmp_path):
    regions = np.zeros((64, 3, 8), dtype=np.float32)
    refused(masln, rebuilt(tmp_path / "b", image=regions), "takes global features (n, d)")


@pytest.mark.parametrize(("name", "row"), [("image", "pair '9' (row 9)"), ("class_embeddings", "class 'class2'")])
def test_features_that_are_not_finite_are_refused(masln, bundle, name, row):
    values = np.load(bundle / f"{name}.npy")
    values[9 if name == "image" else 2, 0] = np.nan
    np.save(bundle / f"{name}.npy", values)
    refused(masln, bundle, f"{name} of {row} is not finite")


def test_rows_that_do_not_match_are_refused(masln, bundle):
    labels = np.load(bundle / "labels.npy")[:-1]
    np.save(bundle / "labels.npy", labels)
    refused(masln, bundle, "labels.npy")
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"]["labels.npy"]["shape"] = [63]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    refused(masln, bundle, "rows")


def test_bytes_as_text_are_refused(masln, bundle):
    """Bytes can reach a bundle only as text that is no UTF-8."""
    path = bundle / "pairs.csv"
    path.write_bytes(path.read_bytes().replace(b"train", b"tr\xffin", 1))
    refused(masln, bundle, "cannot be read as UTF-8 CSV")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a child")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_command_is_resumed_to_the_same_figures(bundle, tmp_path, number):
    """The whole command in a process of its own, stopped while MASLN's final fit is under way."""
    out = tmp_path / "run"
    settings = ["--set", "epochs=300", "--no-select", "--no-plots", "--baselines", "", "--device", "cpu"]
    command = [sys.executable, "-m", "masln", "train", "--data", str(bundle), *SETTINGS, *settings]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    options: dict[str, Any] = {"cwd": tmp_path, "env": environment, "text": True, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.PIPE, **options)
    events = out / "masln/split0-seed0/events.jsonl"
    deadline = time.monotonic() + 120
    while not (events.exists() and events.read_text().count("\n") >= 3):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.005)  # polled, not waited out
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert not (out / "masln/split0-seed0/metrics.json").exists(), "stopped too late to prove anything"
    if number == signal.SIGINT:
        assert process.returncode == 2 and err.count("\n") == 1
        assert "interrupted in epoch" in err and "--resume" in err and str(out) in err
        assert (out / "masln/split0-seed0/checkpoint.pt").exists()
    done = subprocess.run([*command, "--out", str(out), "--resume"], stdout=subprocess.PIPE, **options)
    assert done.returncode == 0, done.stderr
    assert not list(out.rglob("checkpoint*"))
    straight = MASLN(**TINY | {"epochs": 300, "seed": 0})
    config = json.loads((out / "masln/split0-seed0/class_split.json").read_text())
    dataset = read_bundle(bundle)
    straight.fit(dataset.of_classes(config["seen"], dataset.rows("train")))
    straight.save(tmp_path / "straight")
    resumed = out / "masln/split0-seed0/model/model.safetensors"
    assert resumed.read_bytes() == (tmp_path / "straight/model.safetensors").read_bytes()
    history = [json.loads(line) for line in events.read_text().splitlines()]
    assert history == straight.history_
    shutil.rmtree(out)
