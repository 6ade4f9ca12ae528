from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from masln.experiments import Experiment, run_experiment, summary_rows
from masln.reporting import draw_plots, plots_available, print_experiment
from tests.experiments.small import small_config, write_small_bundle


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Experiment:
    folder = tmp_path_factory.mktemp("report")
    return run_experiment(small_config(write_small_bundle(folder / "bundle")), folder / "run")


def test_the_table_stands_under_its_protocol(finished, capsys):
    print_experiment(finished)
    out = capsys.readouterr().out
    config = finished.config
    assert config.protocol.describe() in out.replace("\n", " ").replace("  ", " ")
    assert finished.records[0].facts["data_hash"] in out and "2 class splits, 1 seed" in out
    assert all(r.facts["class_split_hash"] in out for r in finished.records)
    for row in summary_rows(finished.records, baseline="cca"):
        assert f"{row['average']:.3f}" in out
    assert "paired permutation test over queries" in out and "chosen on validation classes" in out


def test_quiet_prints_no_notes(finished, capsys):
    print_experiment(finished, quiet=True)
    out = capsys.readouterr().out
    assert "permutation" not in out and "chosen on validation" not in out and finished.config.protocol.hash in out


def test_json_holds_rows_protocol_and_hashes(finished, capsys):
    print_experiment(finished, as_json=True)
    value = json.loads(capsys.readouterr().out)
    assert value["rows"] == summary_rows(finished.records, baseline="cca")
    assert value["protocol"]["hash"] == finished.config.protocol.hash
    assert value["class_splits"] == sorted({r.facts["class_split_hash"] for r in finished.records})


def test_plots_are_drawn(finished):
    assert plots_available()
    files = draw_plots(finished.directory)
    assert sorted(p.name for p in files) == ["code_map.png", "discriminator.png", "losses.png", "precision_recall.png"]
    for path in files:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n") and path.parent == finished.directory / "plots"
        width, height = struct.unpack(">II", content[16:24])
        assert width > 400 and height > 300
        assert _shades(path) > 3, "the picture is blank"
    assert {p.name for p in draw_plots(finished.directory)} == {p.name for p in files}, "drawing again is no error"


def _shades(path: Path) -> int:
    from matplotlib.image import imread

    return len(np.unique(np.round(imread(path)[..., :3], 1).reshape(-1, 3), axis=0))


@pytest.mark.parametrize("setting", ["generalized", "standard"])
def test_plots_of_a_linear_method_and_of_the_other_settings(tmp_path, setting):
    bundle = write_small_bundle(tmp_path / "bundle")
    config = small_config(
        bundle, method="cca", hyperparameters={"ridge": 1.0}, splits=1, baselines=[], select=False,
        protocol={"setting": setting},
    )  # fmt: skip
    run_experiment(config, tmp_path / "run")
    assert sorted(p.name for p in draw_plots(tmp_path / "run")) == ["code_map.png", "precision_recall.png"]


def test_without_a_part_switched_on_its_plot_is_left_out(tmp_path):
    bundle = write_small_bundle(tmp_path / "bundle")
    base = small_config(bundle)
    config = small_config(
        bundle, hyperparameters=dict(base.hyperparameters) | {"adversarial": 0.0}, splits=1, baselines=[], select=False
    )
    run_experiment(config, tmp_path / "run")
    names = {p.name for p in draw_plots(tmp_path / "run")}
    assert names == {"code_map.png", "losses.png", "precision_recall.png"}
