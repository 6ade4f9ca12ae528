"""Experiments with a student: who may teach it under a class split, and what the record says of its teacher."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from masln.cli import cli
from masln.data import load_dataset
from masln.errors import SplitError
from masln.experiments import Experiment, RunConfig, evaluate_experiment, read_experiment, run_experiment
from masln.models import load_method
from masln.reporting import print_comparison, print_experiment
from tests.experiments.small import table_of, write_small_bundle
from tests.models.test_teachers import write_files

SMALL = {"epochs": 2, "batch_size": 16, "code_width": 6, "hidden": [8]}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_small_bundle(tmp_path_factory.mktemp("data") / "bundle")


@pytest.fixture(scope="module")
def teachers(bundle, tmp_path_factory) -> Experiment:
    """Runs of CCA on three class splits."""
    plain = {"data": str(bundle), "method": "cca", "baselines": [], "splits": 3, "select": False}
    return run_experiment(RunConfig.from_dict(plain), tmp_path_factory.mktemp("runs") / "teachers")


def student(bundle: Path, teacher: str | Path, **values: object) -> RunConfig:
    plain = {"data": str(bundle), "method": "distillation", "baselines": [], "device": "cpu"}
    return RunConfig.from_dict(plain | {"hyperparameters": SMALL | {"teacher": str(teacher)}} | values)


def test_a_method_by_name_teaches_on_every_split(bundle, tmp_path):
    done = run_experiment(student(bundle, "cca", splits=2), tmp_path / "run")
    assert [r.facts["split"] for r in done.records] == [0, 1]
    assert all("remarks" not in r.facts and r.facts["candidates"] == [] for r in done.records)
    again = evaluate_experiment(tmp_path / "run")
    assert [r.parts for r in again.records] == [r.parts for r in done.records]
    left = {p.name for p in (tmp_path / "run" / "distillation" / "split0-seed0").iterdir()}
    assert not {name for name in left if name.startswith("checkpoint")}


def test_a_finished_run_of_the_same_classes_teaches(bundle, teachers, tmp_path):
    folder = teachers.directory / "cca" / "split0-seed0"
    out = tmp_path / "run"
    options = ["--data", bundle, "--method", "distillation", "--baselines", "", "--device", "cpu", "--no-plots"]
    settings = [f"{key}={value}" for key, value in (SMALL | {"teacher": folder}).items()]
    sets = [part for setting in settings for part in ("--set", setting)]
    done = CliRunner().invoke(cli, ["train", "--out", str(out), *map(str, options), *sets])
    assert done.exit_code == 0, done.output
    fitted = load_method(out / "distillation" / "split0-seed0" / "model")
    assert fitted.get_params()["teacher"] == str(folder)
    assert "trained on is unknown" not in done.output


def test_a_finished_run_of_other_classes_is_refused_before_anything_is_written(bundle, teachers, tmp_path):
    config = student(bundle, teachers.directory / "cca" / "split1-seed0")
    names, split = load_dataset(str(bundle)).class_names, config.make_split(load_dataset(str(bundle)).class_names, 0)
    told = {names[c] for c in teachers.config.make_split(names, 1).seen if c in split.unseen}
    assert told, "the second split sees classes that the first holds out"
    with pytest.raises(SplitError, match="which this fit holds out") as caught:
        run_experiment(config, tmp_path / "run")
    assert all(name in str(caught.value) for name in sorted(told)[:3]) and "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    with pytest.raises(SplitError, match="which this fit holds out"):
        run_experiment(student(bundle, teachers.directory / "cca" / "split0-seed0", splits=2), tmp_path / "several")
    assert not (tmp_path / "several").exists()


def test_a_run_of_all_seen_classes_may_not_teach_while_some_of_them_validate(bundle, teachers, tmp_path):
    """With patience, the epoch is chosen on validation classes, which the teacher knows."""
    folder = teachers.directory / "cca" / "split0-seed0"
    values = {"hyperparameters": SMALL | {"teacher": str(folder), "patience": 1}}
    with pytest.raises(SplitError, match=r"holds out \(unseen or validation classes\)"):
        run_experiment(student(bundle, folder, **values), tmp_path / "selected")
    assert len(run_experiment(student(bundle, folder, **values, select=False), tmp_path / "run").records) == 1


def test_the_record_says_that_the_training_data_of_features_are_unknown(bundle, tmp_path, capsys):
    write_files(tmp_path / "large", load_dataset(str(bundle)))
    done = run_experiment(student(bundle, tmp_path / "large"), tmp_path / "run")
    (said,) = done.records[0].facts["remarks"]
    assert str(tmp_path / "large") in said and "was trained on is unknown, unseen classes perhaps among it" in said
    assert read_experiment(tmp_path / "run").records[0].facts["remarks"] == [said]
    for show, shown in ((print_experiment, done), (print_comparison, [table_of(done)])):
        show(shown)
        assert "trained on is unknown" in " ".join(capsys.readouterr().out.split())
        show(shown, as_json=True)
        value = json.loads(capsys.readouterr().out)
        assert value.get("tables", [value])[0]["remarks"] == [f"distillation: {said}."]


def test_features_of_unseen_classes_and_test_pairs_never_reach_a_student(bundle, tmp_path):
    dataset = load_dataset(str(bundle))
    config = student(bundle, tmp_path / "large")
    split = config.make_split(dataset.class_names, 0)
    hidden = np.isin(dataset.labels, split.unseen) | (dataset.split == "test")
    found = []
    for name, value in (("clean", None), ("spoilt", np.nan)):
        write_files(tmp_path / "large", dataset)
        if value is not None:
            for modality in ("image", "text"):
                features = np.load(tmp_path / "large" / f"{modality}.npy")
                features[hidden] = value
                np.save(tmp_path / "large" / f"{modality}.npy", features)
        found.append(run_experiment(config, tmp_path / name).records[0].parts)
    assert found[0] == found[1]
