"""The published settings that come with the package: each is a configuration that its method takes and runs with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from masln.cli import cli
from masln.errors import ConfigError
from masln.experiments import RunConfig, published_settings, read_config
from masln.experiments.directory import open_experiment
from masln.models import LinearMethod, load_method, make_method, method_resolver
from masln.training import Runtime
from tests.experiments.small import write_small_bundle

SETTINGS = published_settings()
LINEAR = [name for name in SETTINGS if issubclass(method_resolver.lookup(read_config(name)["method"]), LinearMethod)]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_method_takes_its_values_and_learns_something_finite(name, pairs):
    """One epoch, whatever the paper's number."""
    config = RunConfig.from_dict(read_config(name))
    shortened = {"epochs": 1} if "epochs" in config.hyperparameters else {}
    method = make_method(config.method, **{**config.hyperparameters, **shortened})
    for key, value in {**config.hyperparameters, **shortened}.items():
        assert np.array_equal(method.get_params()[key], value)
    assert np.isfinite(method.fit(pairs, runtime=Runtime(device="cpu")).encode_image(pairs.image)).all()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_file_names_its_method_and_source(name):
    assert name.replace("_", "").startswith(read_config(name)["method"])
    assert SETTINGS[name].read_text(encoding="utf-8").startswith("# "), "a comment says which paper"
    assert name[-4:].isdigit(), "the year of the paper"


def test_each_linear_method_has_its_settings():
    known = {name for name, cls in method_resolver.lookup_dict.items() if issubclass(cls, LinearMethod)}
    assert {read_config(name)["method"] for name in LINEAR} == known


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_method_runs_by_the_name_of_its_settings(name, tmp_path):
    bundle, out, method = write_small_bundle(tmp_path / "bundle"), tmp_path / "run", read_config(name)["method"]
    options = ["--config", name, "--data", bundle, "--out", out, "--device", "cpu", "--baselines", "", "--no-plots"]
    done = CliRunner().invoke(cli, ["train", *map(str, options)])
    assert done.exit_code == 0, done.output
    assert method in done.output
    written = read_config(name)["hyperparameters"]
    assert open_experiment(out).hyperparameters == written
    fitted = load_method(Path(out) / method / "split0-seed0" / "model")
    assert {key: fitted.get_params()[key] for key in written} == written


def test_a_name_that_is_unknown_names_the_nearest(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"'sae_kodirov2018' \(did you mean 'sae_kodirov2017'\?\)"):
        read_config("sae_kodirov2018")
    monkeypatch.chdir(tmp_path)
    Path("sae_kodirov2017").write_text("method: chance\n")
    assert read_config("sae_kodirov2017") == {"method": "chance"}, "a file of that name goes first"
