"""The files of published settings in ``experiments/``: each is a configuration that its method takes and runs with."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from masln.cli import cli
from masln.experiments import RunConfig, read_config
from masln.experiments.directory import open_experiment
from masln.models import LinearMethod, load_method, make_method, method_resolver
from tests.conftest import ROOT, make_pairs
from tests.experiments.small import write_small_bundle

FILES = sorted((ROOT / "experiments").glob("*.yaml"))
LINEAR = sorted(name for name, cls in method_resolver.lookup_dict.items() if issubclass(cls, LinearMethod))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_names_a_method_and_values_that_it_takes(path):
    config = RunConfig.from_dict(read_config(path))
    method = make_method(config.method, **config.hyperparameters)
    method.check(make_pairs())
    assert {key: method.get_params()[key] for key in config.hyperparameters} == dict(config.hyperparameters)
    assert path.stem.split("-")[0] == config.method, (
        "a file is named after its method, with -VARIANT where it has several"
    )


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_method_runs_by_its_file(name, tmp_path):
    path, bundle, out = ROOT / "experiments" / f"{name}.yaml", write_small_bundle(tmp_path / "bundle"), tmp_path / "run"
    options = ["--config", path, "--data", bundle, "--out", out, "--device", "cpu", "--baselines", "", "--no-plots"]
    done = CliRunner().invoke(cli, ["train", *map(str, options)])
    assert done.exit_code == 0, done.output
    assert name in done.output
    written = read_config(path)["hyperparameters"]
    assert open_experiment(out).hyperparameters == written
    fitted = load_method(Path(out) / name / "split0-seed0" / "model")
    assert {key: fitted.get_params()[key] for key in written} == written
