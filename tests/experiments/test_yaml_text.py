"""What is written as YAML is read as the same value, of the same type."""

from __future__ import annotations

import pytest

from masln.experiments import RunConfig
from masln.experiments.directory import write_yaml
from masln.experiments.grid import Grid, GridEntry, read_entries, write_grid
from masln.experiments.yaml_text import dump_yaml, load_yaml


@pytest.mark.parametrize(
    "value",
    [
        *("41725e0396701254", "1e5", "1E5", "+1e-5", ".5e1", "1.e5", "4172500396701254", "0x1f", "1_000", "1:30"),
        *("null", "yes", "~", "", " ", "a: b", "# c", "2026-11-22", ".inf", "é\n\u2028", "- x", "😀"),
        *(1e-05, 1e5, 1e300, 0.1, 3, -2.5, float("inf"), None, True, [], {}, {"b": ["1e5", 1e5], "a": "x"}),
    ],
)
def test_a_value_comes_back_as_it_was(value):
    for own in (value, [value], {"key": value}):
        found = load_yaml(dump_yaml(own))
        assert found == own and repr(found) == repr(own)


def test_keys_keep_their_order_and_numbers_are_read_as_papers_write_them():
    assert list(load_yaml(dump_yaml({"b": 1, "a": 2}))) == ["b", "a"]
    assert load_yaml("1e-3") == 0.001 and load_yaml("5E4") == 5e4


def test_a_grid_is_read_back_whatever_its_hashes_look_like(tmp_path, monkeypatch):
    """One hash in a thousand is a number with an exponent to a reader of YAML."""
    monkeypatch.setattr("masln.experiments.grid.run_key", lambda config, data_hash: "41725e0396701254" + "0" * 48)
    config = RunConfig(method="cca", data="toy", baselines=(), class_split="listed", listed=("1e5", "7"))
    write_grid(tmp_path, Grid("compare", (GridEntry("1e3", config),)), {"toy": "83e504123456"})
    (saved,) = read_entries(tmp_path, "compare")
    assert saved.entry == GridEntry("1e3", config) and saved.data_hash == "83e504123456"
    assert [folder.name[:16] for folder in saved.runs] == ["41725e0396701254"]


def test_a_configuration_file_is_read_back(tmp_path):
    config = RunConfig(listed=("1e5",), class_split="listed", hyperparameters={"learning_rate": 1e-05, "name": "2e3"})
    write_yaml(tmp_path / "config.yaml", config.to_dict())
    assert RunConfig.from_dict(load_yaml((tmp_path / "config.yaml").read_text(encoding="utf-8"))) == config
