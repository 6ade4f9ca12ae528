from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from masln.data import load_dataset
from masln.errors import CheckpointError, ConfigError, DataError, MaslnError
from masln.evaluation import evaluate
from masln.experiments import (
    Experiment,
    RunConfig,
    evaluate_experiment,
    read_config,
    read_experiment,
    rows_with_cost,
    run_experiment,
    runs,
    summary_rows,
)
from masln.models import load_method, method_resolver
from tests.experiments.small import TINY, small_config, write_small_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_small_bundle(tmp_path_factory.mktemp("data") / "bundle")


@pytest.fixture(scope="module")
def finished(bundle, tmp_path_factory) -> Experiment:
    return run_experiment(small_config(bundle), tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished.directory, tmp_path / "copy"))


def tables(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("per_query.csv"))}


def combinations(method: str) -> int:
    return math.prod(len(values) for values in method_resolver.lookup(method).search_space.values())


def test_a_run_leaves_all_its_files(finished):
    folder = finished.directory
    runs = [f"{method}/split{n}-seed0" for method in ("masln", "cca", "chance") for n in (0, 1)]
    found = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    expected = ["config.yaml", "environment.json", "metrics.json"]
    for run in runs:
        expected += [
            f"{run}/{name}"
            for name in ("class_split.json", "metrics.json", "model/config.json", "model/model.safetensors")
        ]
        expected += [f"{run}/per_query.csv", f"{run}/protocol.json"]
    expected += [f"{run}/events.jsonl" for run in runs[:2]]
    assert found == sorted(expected)
    assert len((folder / "masln/split0-seed0/events.jsonl").read_text().splitlines()) <= TINY["epochs"]


def test_metrics_hold_the_rows_of_the_table(finished):
    rows = json.loads((finished.directory / "metrics.json").read_text())["rows"]
    assert rows == summary_rows(finished.records, baseline="cca")
    assert {(row["part"], row["method"]) for row in rows} == {
        (part, method)
        for part in ("unseen", "seen", "generalized unseen", "generalized seen", "harmonic")
        for method in ("masln", "cca", "chance")
    }
    facts = json.loads((finished.directory / "masln/split1-seed0/metrics.json").read_text())
    assert (facts["method"], facts["split"], facts["seed"]) == ("masln", 1, 0)
    assert {"data_hash", "class_split_hash", "protocol_hash"} <= set(facts)
    keys = {*method_resolver.lookup("masln").search_space, "validation_map"}
    assert [set(c) for c in facts["candidates"]] == [keys] * combinations("masln")


def test_the_figures_are_those_of_the_saved_model(finished, bundle):
    """Recomputed from the saved model with evaluate alone, and by hand from the per-query file."""
    dataset = load_dataset(bundle)
    for record in finished.records[:3]:
        folder = finished.directory / record.method / f"split{record.facts['split']}-seed0"
        split = json.loads((folder / "class_split.json").read_text())
        method = load_method(folder / "model")
        codes = method.encode_image(dataset.image), method.encode_text(dataset.text)
        chosen = dataclasses.make_dataclass("Split", ["seen", "unseen"])(split["seen"], split["unseen"])
        value = evaluate(*codes, dataset.labels, dataset.split, class_split=chosen, protocol=finished.config.protocol)
        for part in ("seen", "unseen"):
            assert record.map(part) == value.map(part)
            table = pd.read_csv(folder / "per_query.csv")
            for direction in ("i2t", "t2i"):
                rows = table[(table["part"] == part) & (table["direction"] == direction)]
                assert rows["average_precision"].mean() == pytest.approx(record.map(part, direction), rel=1e-12)
                assert set(dataset.labels[rows["row"]]) == set(split[part])
                assert (dataset.split[rows["row"]] == "test").all()


def test_the_best_candidate_is_chosen_and_used(finished):
    for record in finished.records:
        candidates, chosen = record.facts["candidates"], record.facts["hyperparameters"]
        if not candidates:
            assert record.method == "chance"
            continue
        best = max(candidates, key=lambda c: c["validation_map"])
        assert all(chosen[key] == value for key, value in best.items() if key != "validation_map")
        folder = finished.directory / record.method / f"split{record.facts['split']}-seed{record.facts['seed']}"
        saved = json.loads((folder / "model/config.json").read_text())["hyperparameters"]
        assert all(saved[key] == value for key, value in chosen.items())
    assert len(finished.records[2].facts["candidates"]) == combinations("cca")


def test_early_stopping_takes_the_stopping_epoch_from_the_validation_classes(bundle, tmp_path):
    config = small_config(bundle, hyperparameters=TINY | {"patience": 3}, splits=1, baselines=[])
    facts = run_experiment(config, tmp_path / "run").records[0].facts
    best = max(facts["candidates"], key=lambda candidate: candidate["validation_map"])
    assert 1 <= best["stop_epoch"] <= TINY["epochs"]
    assert facts["hyperparameters"]["stop_epoch"] == best["stop_epoch"]
    events = tmp_path / "run/masln/split0-seed0/events.jsonl"
    assert len(events.read_text().splitlines()) == best["stop_epoch"]


def test_fixed_hyper_parameters_are_not_searched(bundle, tmp_path):
    fixed = TINY | {"input_scaling": "standardize", "stop_epoch": 2, "patience": 3}
    config = small_config(bundle, hyperparameters=fixed, splits=1, baselines=[])
    facts = run_experiment(config, tmp_path / "run").records[0].facts
    assert len(facts["candidates"]) == 1
    assert {key: facts["hyperparameters"][key] for key in fixed} == fixed


def test_without_selection_nothing_is_searched(bundle, tmp_path):
    config = small_config(bundle, select=False, splits=1, baselines=["cca"])
    experiment = run_experiment(config, tmp_path / "run")
    assert all(record.facts["candidates"] == [] for record in experiment.records)
    assert len((tmp_path / "run/masln/split0-seed0/events.jsonl").read_text().splitlines()) == TINY["epochs"]


def test_the_saved_configuration_gives_the_same_bytes_again(finished, tmp_path):
    config = RunConfig.from_dict(read_config(finished.directory / "config.yaml"))
    assert config == finished.config
    run_experiment(config, tmp_path / "again")
    assert tables(tmp_path / "again") == tables(finished.directory)
    for path in finished.directory.rglob("model.safetensors"):
        assert (tmp_path / "again" / path.relative_to(finished.directory)).read_bytes() == path.read_bytes()


def test_resume_reads_finished_runs_and_completes_the_others(finished, copy):
    kept = copy / "masln/split0-seed0/metrics.json"
    marked = json.loads(kept.read_text()) | {"seconds": -1.0}
    kept.write_text(json.dumps(marked))
    begun = copy / "masln/split1-seed0"
    for name in ("metrics.json", "per_query.csv"):
        (begun / name).unlink()
    shutil.rmtree(begun / "model")
    (begun / "events.jsonl").write_text('{"epoch": 1}\n{"epo')
    shutil.rmtree(copy / "cca")
    (copy / "metrics.json").unlink()
    resumed = run_experiment(finished.config, copy, resume=True)
    assert resumed.records[0].facts["seconds"] == -1.0, "a finished run was run again"
    assert tables(copy) == tables(finished.directory)
    assert (begun / "events.jsonl").read_bytes() == (
        finished.directory / "masln/split1-seed0/events.jsonl"
    ).read_bytes()
    assert (copy / "metrics.json").read_bytes() == (finished.directory / "metrics.json").read_bytes()


def test_the_time_of_a_run_that_was_taken_up_is_not_known(bundle, tmp_path, monkeypatch):
    config = small_config(bundle, baselines=(), splits=1)

    def killed(*args: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(runs, "leave_run", killed)
        with pytest.raises(KeyboardInterrupt):
            run_experiment(config, tmp_path / "run")
    (taken_up,) = run_experiment(config, tmp_path / "run", resume=True).records
    assert (taken_up.facts["seconds"], taken_up.facts["processor_seconds"]) == (None, None)
    (whole,) = run_experiment(config, tmp_path / "again").records
    assert whole.facts["processor_seconds"] > 0
    costs = [row["processor_seconds"] for row in rows_with_cost([taken_up, whole], baseline=None)]
    assert set(costs) == {whole.facts["processor_seconds"]}, "a mean over the runs whose time is known"


def test_resume_takes_the_saved_configuration_and_its_dataset(finished, copy):
    """``masln train --resume --out DIR`` says nothing of the data: they are those of the run."""
    shutil.rmtree(copy / "masln/split1-seed0")
    resumed = run_experiment(RunConfig(device="cpu"), copy, resume=True)
    assert resumed.config == finished.config
    assert tables(copy) == tables(finished.directory)
    assert {record.facts["data_hash"] for record in resumed.records} == {finished.records[0].facts["data_hash"]}


def test_resume_on_changed_data_is_refused(finished, copy, tmp_path):
    other = write_small_bundle(tmp_path / "bundle", seed=1)
    text = (copy / "config.yaml").read_text().replace(finished.config.data, str(other))
    (copy / "config.yaml").write_text(text)
    shutil.rmtree(copy / "chance")
    with pytest.raises(MaslnError, match="data"):
        run_experiment(RunConfig.from_dict(read_config(copy / "config.yaml")), copy, resume=True)


def test_nothing_to_resume_is_said(bundle, tmp_path):
    with pytest.raises(ConfigError, match=r"nothing to resume: .*has no config\.yaml"):
        run_experiment(small_config(bundle), tmp_path / "absent", resume=True)
    assert not (tmp_path / "absent").exists()


def test_evaluation_repeats_the_stored_figures_exactly(finished):
    again = evaluate_experiment(finished.directory)
    stored = read_experiment(finished.directory)
    for new, old in zip(again.records, stored.records, strict=True):
        assert new.parts == old.parts and new.facts == old.facts
        pd.testing.assert_frame_equal(new.per_query, old.per_query, check_exact=True, check_dtype=False)
    assert summary_rows(again.records, baseline="cca") == summary_rows(finished.records, baseline="cca")


def test_evaluation_on_changed_data_is_refused(copy, tmp_path, finished):
    other = write_small_bundle(tmp_path / "bundle", seed=1)
    (copy / "config.yaml").write_text((copy / "config.yaml").read_text().replace(finished.config.data, str(other)))
    with pytest.raises(DataError, match=r"has hash .* was made on .*put that dataset back, or train again"):
        evaluate_experiment(copy)


def test_broken_run_directories_are_refused_in_one_line(copy, tmp_path):
    with pytest.raises(ConfigError, match="is no run directory"):
        evaluate_experiment(tmp_path)
    for name, keep in (("metrics.json", 40), ("per_query.csv", 0), ("class_split.json", 10)):
        path = copy / "masln/split0-seed0" / name
        content = path.read_bytes()
        path.write_bytes(content[:keep])
        with pytest.raises(CheckpointError, match=f"{name} cannot be read") as caught:
            evaluate_experiment(copy)
        assert "\n" not in str(caught.value)
        path.write_bytes(content)


@pytest.mark.parametrize("content", ["{}", "[]"])
def test_metrics_of_another_shape_are_refused_in_one_line(copy, content):
    (copy / "masln/split0-seed0/metrics.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"metrics\.json"):
        read_experiment(copy)


def test_an_existing_directory_is_refused_and_left_alone(bundle, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ConfigError, match="exists; choose another --out, or add --resume"):
        run_experiment(small_config(bundle), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(ConfigError, match="exists; choose another --out"):
        run_experiment(small_config(bundle), tmp_path / "thesis.tex")


@pytest.mark.parametrize(
    "values",
    [
        {"method": "maslm"},
        {"baselines": ["cca", "chanse"]},
        {"hyperparameters": {"epoch": 3}},
        {"hyperparameters": {"epochs": 0}},
        {"hyperparameters": {"encoder": "mpl"}},
        {"hyperparameters": {"input_scaling": "l3"}},
        {"device": "cuda:99"},
        {"class_split": "listed", "listed": ["nobody"], "splits": 1},
        {"unseen_share": 0.99},
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_written(bundle, tmp_path, values):
    with pytest.raises(MaslnError) as caught:
        run_experiment(small_config(bundle, **values), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_seeds_and_settings_have_their_places(bundle, tmp_path):
    config = small_config(bundle, splits=1, seeds=2, seed=4, baselines=["cca"], protocol={"setting": "generalized"})
    experiment = run_experiment(config, tmp_path / "run")
    places = [(r.method, r.facts["split"], r.facts["seed"]) for r in experiment.records]
    assert places == [("masln", 0, 4), ("masln", 0, 5), ("cca", 0, 4)]
    assert set(experiment.records[0].parts) == {"generalized unseen", "generalized seen", "harmonic"}
    assert experiment.records[0].map("harmonic") != experiment.records[1].map("harmonic")
    standard = small_config(bundle, splits=1, baselines=["chance"], protocol={"setting": "standard"}, method="cca",
                            hyperparameters={"ridge": 0.1})  # fmt: skip
    assert set(run_experiment(standard, tmp_path / "standard").records[0].parts) == {"all"}


def test_selection_touches_validation_classes_only(bundle, tmp_path, monkeypatch):
    """Watch every fit and every score of one run: candidates, then the final fit on all seen classes."""
    import masln.experiments.selection as selection
    from masln.models import CCA

    fits: list[tuple[str, ...]] = []
    scored: list[int] = []
    fit, real = CCA.fit, selection.validation_score

    def watched_fit(self, train, validation=None, **options):
        fits.append(train.class_names)
        return fit(self, train, validation, **options)

    def watched_score(protocol, validation):
        score = real(protocol, validation)

        def watched(image, text, labels):
            scored.append(len(labels))
            return score(image, text, labels)

        return watched

    monkeypatch.setattr(CCA, "fit", watched_fit)
    monkeypatch.setattr(selection, "validation_score", watched_score)
    config = small_config(bundle, method="cca", hyperparameters={}, baselines=[], splits=1)
    run_experiment(config, tmp_path / "run")
    dataset = load_dataset(bundle)
    split = config.make_split(dataset.class_names, 0)
    names = lambda ids: tuple(dataset.class_names[i] for i in ids)  # noqa: E731
    assert fits[:-1] == [names(split.fitting)] * combinations("cca") and fits[-1] == names(split.seen)
    train = dataset.split != "test"
    assert scored == [int((np.isin(dataset.labels, split.validation) & train).sum())] * combinations("cca")


def test_events_of_tensorboard_stand_beside_the_json_lines(bundle, tmp_path):
    run_experiment(small_config(bundle, splits=1, baselines=[]), tmp_path / "run", tensorboard=True)
    assert len(list((tmp_path / "run/masln/split0-seed0").glob("events.out.tfevents.*"))) == 1


@pytest.mark.parametrize("file", ["image.npy", "text.npy"])
def test_features_that_are_not_finite_are_refused_before_anything_is_written(bundle, tmp_path, file):
    broken = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    values = np.load(broken / file)
    values[5, 1] = np.nan
    np.save(broken / file, values)
    with pytest.raises(DataError, match=r"of pair '5' \(row 5\) is not finite"):
        run_experiment(small_config(broken), tmp_path / "run")
    assert not (tmp_path / "run").exists()
