"""Runs whose seeds train in one pass: the same records as runs made one after another, up to rounding."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from masln.errors import ConfigError
from masln.experiments import RunConfig, evaluate_experiment, read_experiment, run_experiment
from tests.experiments.small import small_config, write_small_bundle

PLAIN = {"splits": 1, "seeds": 3, "select": False}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_small_bundle(tmp_path_factory.mktemp("data") / "bundle")


@pytest.fixture(scope="module")
def together(bundle, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "together"
    run_experiment(small_config(bundle, batch_seeds=True, **PLAIN), directory)
    return directory


def places(directory: Path) -> list[str]:
    return sorted(str(p.parent.relative_to(directory)) for p in directory.glob("*/*/metrics.json"))


def facts(directory: Path, place: str) -> dict:
    return json.loads((directory / place / "metrics.json").read_text())


def test_records_are_those_of_runs_one_after_another(bundle, together, tmp_path):
    apart = run_experiment(small_config(bundle, **PLAIN), tmp_path / "apart").directory
    assert places(together) == places(apart)
    files = [{p.relative_to(d) for p in d.rglob("*") if p.is_file()} for d in (together, apart)]
    assert files[0] == files[1]
    for place in places(apart):
        mine, theirs = facts(together, place), facts(apart, place)
        if place.startswith("masln"):
            assert mine.pop("seeds_together") == 3
        elif place.startswith("chance"):
            assert mine.pop("seeds_apart") == "Chance trains no network"
        assert mine.keys() == theirs.keys()
        assert mine["hyperparameters"] == theirs["hyperparameters"] and mine["seed"] == theirs["seed"]
        tables = [pd.read_csv(d / place / "per_query.csv") for d in (together, apart)]
        assert tables[0]["row"].equals(tables[1]["row"])
        # Two codes that are nearly as far from a third may change places.
        assert (tables[0]["average_precision"] - tables[1]["average_precision"]).abs().mean() < 0.01


def test_saved_models_repeat_the_figures(together):
    again, before = evaluate_experiment(together).records, read_experiment(together).records
    assert len(again) == len(before) == 7  # masln and chance with three seeds each, cca with none
    for mine, theirs in zip(again, before, strict=True):
        assert mine.facts["seed"] == theirs.facts["seed"] and mine.map("unseen") == theirs.map("unseen")


def test_a_pass_of_which_some_runs_are_lost_comes_out_as_before(together, tmp_path):
    copy = Path(shutil.copytree(together, tmp_path / "copy"))
    kept = (copy / "masln/split0-seed1/metrics.json").read_bytes()
    lost = [(copy / f"masln/split0-seed{seed}") for seed in (0, 2)]
    before = [(folder / "per_query.csv").read_bytes() for folder in lost]
    shutil.rmtree(lost[0])
    (lost[1] / "metrics.json").unlink()
    run_experiment(small_config(Path("unused")), copy, resume=True)
    assert [(folder / "per_query.csv").read_bytes() for folder in lost] == before
    assert (copy / "masln/split0-seed1/metrics.json").read_bytes() == kept
    assert len((lost[1] / "events.jsonl").read_text().splitlines()) == 3
    assert not list(copy.rglob("checkpoint*"))


def test_seeds_in_one_pass_cannot_choose(bundle):
    with pytest.raises(ConfigError, match="add --no-select"):
        RunConfig(data=str(bundle), seeds=3, batch_seeds=True)
