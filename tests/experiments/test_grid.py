"""A grid: every run once, in a folder that its configuration names, and a failed one no more than a row."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from masln.data import bundle_hash, load_dataset
from masln.errors import CheckpointError, ConfigError, MaslnError
from masln.experiments import (
    Grid,
    GridEntry,
    RunConfig,
    entries_of,
    evaluate_experiment,
    grid_names,
    join_runs,
    read_experiment,
    read_grid,
    rows_with_cost,
    run_experiment,
    run_grid,
)
from masln.experiments.grid import grid_runs, run_key, write_grid
from masln.reporting import comparison_cells
from tests.experiments.small import TINY, small_config, write_small_bundle

COSTS = ("processor_seconds", "peak_memory")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_small_bundle(tmp_path_factory.mktemp("grid") / "bundle")


def linear(bundle: Path, **values) -> RunConfig:
    plain = {"method": "cca", "baselines": ["chance"], "hyperparameters": {"ridge": 0.1}}
    return small_config(bundle, **plain | values)


def grid_of(config: RunConfig, *more: GridEntry, name: str = "small") -> Grid:
    return Grid(name, (*entries_of(config), *more))


def figures(rows):
    return [{key: value for key, value in row.items() if key not in COSTS} for row in rows]


def stamps(directory: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in (directory / "runs").glob("*/metrics.json")}


@pytest.fixture(scope="module")
def finished(bundle, tmp_path_factory):
    """CCA and chance on two class splits: directory and result."""
    directory = tmp_path_factory.mktemp("finished") / "grid"
    return directory, run_grid(grid_of(linear(bundle)), directory, jobs=2)


def test_the_table_is_that_of_one_experiment(finished, bundle, tmp_path):
    _, result = finished
    (table,) = result.tables
    expected = run_experiment(linear(bundle), tmp_path / "run").records
    assert figures(table.rows()) == figures(row | {"failed": None} for row in rows_with_cost(expected, baseline="cca"))
    assert (table.data, table.class_split, table.unseen_share, table.splits) == ("synthetic", "random", 0.5, 2)
    assert table.class_splits == list(dict.fromkeys(record.facts["class_split_hash"] for record in expected))
    assert table.protocol == linear(bundle).protocol and table.failed == {} and result.failure == ""
    assert table.rows(baseline=None)[0]["p"] is None and table.rows(baseline="masln")[0]["wins"] is None


def test_each_run_is_a_run_directory_named_by_its_key(finished, bundle):
    directory, _ = finished
    data_hash = bundle_hash(load_dataset(str(bundle)))
    runs = [run for entry in entries_of(linear(bundle)) for run in grid_runs(entry.config, data_hash)]
    assert sorted(path.name for path in (directory / "runs").iterdir()) == sorted(run.key[:16] for run in runs)
    for run in runs:
        folder = run.folder(directory)
        (own,) = read_experiment(folder).records
        (again,) = evaluate_experiment(folder).records
        assert again.parts == own.parts and (folder / "environment.json").is_file()
        assert own.facts["threads"] >= 1 and own.facts["peak_memory"] != 0
        assert (folder / "run.log").is_file()
    assert {run.config.method_seed for run in runs} == {0}
    assert read_grid(directory, "small") == grid_of(linear(bundle)) and grid_names(directory) == ["small"]


def test_a_key_depends_on_all_of_the_configuration_the_data_and_the_version(bundle, monkeypatch):
    config = dataclasses.replace(linear(bundle), baselines=())
    keys = [run.key for run in grid_runs(config, "data")]
    assert len(set(keys)) == 2
    moved = dataclasses.replace(config, data="elsewhere", device="cuda")
    assert [run.key for run in grid_runs(moved, "data")] == keys
    later = dataclasses.replace(config, seed=1, splits=1)
    assert [run.key for run in grid_runs(later, "data")] == keys[1:], "the same class split, whatever its number"
    others = [grid_runs(config, "other data")[0].key]
    for change in (
        {"select": False},
        {"hyperparameters": {"ridge": 0.2}},
        {"unseen_share": 0.25},
        {"method": "pls", "hyperparameters": {}},
    ):
        others.append(grid_runs(dataclasses.replace(config, **change), "data")[0].key)
    protocol = dataclasses.replace(config.protocol, gallery="train")
    others.append(grid_runs(dataclasses.replace(config, protocol=protocol), "data")[0].key)
    monkeypatch.setattr("masln.experiments.grid.__version__", "9.9")
    others.append(run_key(grid_runs(config, "data")[0].config, "data"))
    assert len({*others, *keys}) == len(others) + 2


def test_seeds_of_methods_and_of_class_splits_are_apart(bundle):
    config = small_config(bundle, baselines=[], seeds=2, seed=5, method_seed=40)
    runs = grid_runs(config, "data")
    assert [(run.split, run.config.seed, run.config.method_seed) for run in runs] == [
        (0, 5, 40), (0, 5, 41), (1, 6, 40), (1, 6, 41),
    ]  # fmt: skip
    plain = grid_runs(dataclasses.replace(config, method_seed=None), "data")
    assert [run.config.method_seed for run in plain] == [5, 6, 5, 6]


def test_a_finished_run_is_never_made_again_whichever_grid_asks(finished, bundle):
    directory, result = finished
    before = stamps(directory)
    again = run_grid(grid_of(linear(bundle, splits=3), name="more"), directory, jobs=2)
    after = stamps(directory)
    assert {name: after[name] for name in before} == before and len(after) == len(before) + 2
    assert [table.splits for table in again.tables] == [3] and grid_names(directory) == ["more", "small"]
    assert figures(run_grid(grid_of(linear(bundle)), directory, jobs=1).tables[0].rows()) == figures(
        result.tables[0].rows()
    )


def test_what_cannot_run_on_the_data_is_a_failed_row_that_stops_no_other(bundle, tmp_path):
    config = linear(bundle)
    wrong = dataclasses.replace(config, baselines=(), method="dcca", hyperparameters={"code_width": 999})
    result = run_grid(grid_of(config, GridEntry("too wide", wrong)), tmp_path / "grid", jobs=2)
    (table,) = result.tables
    assert list(table.failed) == ["too wide"] and "code_width" in table.failed["too wide"]
    lost = [row for row in table.rows() if row["method"] == "too wide"]
    assert {row["part"] for row in lost} == {record for record in {row["part"] for row in table.rows()}}
    assert all(row["failed"] == table.failed["too wide"] and row["average"] is None for row in lost)
    assert {row["method"] for row in table.rows() if not row["failed"]} == {"cca", "chance"}
    assert result.failure.startswith("too wide on synthetic: ")
    with pytest.raises(MaslnError, match="code_width"):
        run_grid(Grid("alone", (GridEntry("too wide", wrong),)), tmp_path / "alone", jobs=1)
    assert not (tmp_path / "alone").exists()


def test_a_run_that_fails_is_a_row_with_its_reason_and_log(bundle, tmp_path):
    config = linear(bundle)
    entry = entries_of(config)[0]
    first = grid_runs(entry.config, bundle_hash(load_dataset(str(bundle))))[0]
    blocked = first.folder(tmp_path) / "cca"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("in the way of the run's own folder")
    (table,) = run_grid(grid_of(config), tmp_path, jobs=2).tables
    why = table.failed["cca"]
    log = first.folder(tmp_path) / "run.log"
    assert f"class split 0, seed 0; log: {log}" in why and "\n" not in why
    assert "Traceback" in log.read_text()
    assert {row["method"] for row in table.rows() if not row["failed"]} == {"chance"}
    blocked.unlink()
    assert run_grid(grid_of(config), tmp_path, jobs=2).tables[0].failed == {}


def test_tables_are_apart_by_data_protocol_and_class_splits(bundle, tmp_path):
    base = linear(bundle, method="chance", hyperparameters={}, baselines=[], splits=1)
    protocol = dataclasses.replace(base.protocol, gallery="train")
    configs = [
        base,
        dataclasses.replace(base, unseen_share=0.25),
        dataclasses.replace(base, protocol=protocol),
        dataclasses.replace(base, data=str(write_small_bundle(tmp_path / "other", seed=1))),
    ]
    grid = Grid("apart", tuple(GridEntry("chance", config) for config in configs))
    tables = run_grid(grid, tmp_path / "grid", jobs=2).tables
    assert [table.entries[0].config for table in tables] == configs
    assert [table.unseen_share for table in tables] == [0.5, 0.25, 0.5, 0.5]
    assert len({table.data_hash for table in tables}) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "are called 'cca'; rename one"),
        ({"seed": 1}, "'other' has seed 1 and 'cca' 0"),
        ({"splits": 1}, "'other' has splits 1 and 'cca' 2"),
        ({"method": "maslm"}, "unknown method 'maslm'"),
        ({"hyperparameters": {"rigde": 1}}, "rigde"),
        ({"data": "nowhere"}, "nowhere"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(bundle, tmp_path, change, message):
    config = dataclasses.replace(linear(bundle), baselines=())
    entry = GridEntry("other" if change else "cca", dataclasses.replace(config, **change))
    with pytest.raises(MaslnError, match=message):
        run_grid(Grid("wrong", (GridEntry("cca", config), entry)), tmp_path / "grid", jobs=1)
    assert not (tmp_path / "grid").exists()


def test_a_key_depends_on_what_is_in_a_file_of_class_vectors_not_on_where_it_lies(bundle, tmp_path):
    base = dataclasses.replace(linear(bundle), baselines=(), splits=1)
    keys = []
    for name, text in (("a.txt", "1 2\n"), ("b.txt", "1 2\n"), ("c.txt", "1 3\n")):
        (tmp_path / name).write_text(text)
        (run,) = grid_runs(dataclasses.replace(base, class_vectors=str(tmp_path / name)), "data")
        keys.append(run.key)
    assert keys[0] == keys[1] != keys[2]


def test_values_that_are_no_grid_are_refused(bundle, tmp_path):
    with pytest.raises(ConfigError, match="has no entry"):
        Grid("empty", ())
    with pytest.raises(ConfigError, match="name"):
        Grid("../up", tuple(entries_of(linear(bundle))))
    with pytest.raises(ConfigError, match="baselines"):
        GridEntry("cca", linear(bundle))
    with pytest.raises(ConfigError, match="leave out batch_seeds"):
        GridEntry("one", RunConfig(baselines=(), select=False, batch_seeds=True))
    (tmp_path / "grids").mkdir()
    (tmp_path / "grids" / "other.yaml").write_text("entries: [1]")
    with pytest.raises(ConfigError, match=r"other\.yaml is no grid of runs"):
        read_grid(tmp_path, "other")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot make"):
        run_grid(grid_of(linear(bundle)), tmp_path / "file", jobs=1)


def test_a_dataset_without_figures_to_be_had_is_a_table_of_failed_rows(bundle, tmp_path):
    other = write_small_bundle(tmp_path / "other", seed=1)
    features = np.load(other / "image.npy")
    features[0, 0] = np.nan
    np.save(other / "image.npy", features)
    entries = [*entries_of(linear(bundle)), *entries_of(linear(other))]
    good, bad = run_grid(Grid("two", tuple(entries)), tmp_path / "grid", jobs=2).tables
    assert good.failed == {} and set(bad.failed) == {"cca", "chance"} and bad.records == []
    assert [(row["part"], row["method"], row["average"]) for row in bad.rows()] == [
        ("", "cca", None),
        ("", "chance", None),
    ]
    assert {comparison_cells(row)["average"] for row in bad.rows()} == {"failed"}


def test_a_report_reads_a_grid_by_its_labels_and_tells_what_failed(bundle, tmp_path):
    base = linear(bundle, baselines=[])
    entries = (
        GridEntry("cca", base),
        GridEntry("cca, more ridge", dataclasses.replace(base, hyperparameters={"ridge": 10.0})),
        GridEntry("too wide", dataclasses.replace(base, method="dcca", hyperparameters={"code_width": 999})),
    )
    directory = tmp_path / "grid"
    write_grid(directory, Grid("small", entries), {str(bundle): "hash"})
    with pytest.raises(CheckpointError, match="no run of the grid"):
        join_runs([directory])
    (table,) = run_grid(Grid("small", entries), directory, jobs=2).tables
    (joined,) = join_runs([directory])
    assert joined.methods == ["cca", "cca, more ridge"] and joined.class_splits == table.class_splits
    shown = figures(rows_with_cost(joined.records, baseline="cca"))
    assert [row | {"failed": None} for row in shown] == [row for row in figures(table.rows()) if not row["failed"]]
    assert joined.notes == (f"too wide: 2 of its 2 runs in {directory} have failed or are not finished",)
    with pytest.raises(ConfigError, match=f"give a folder in {directory}/runs, which a grid wrote"):
        read_experiment(directory)


def test_deep_runs_are_repeated_bit_for_bit_by_another_number_of_jobs(bundle, tmp_path):
    grid = Grid("deep", (GridEntry("tiny", small_config(bundle, baselines=[], seeds=2, splits=1, select=False)),))
    two, one = (run_grid(grid, tmp_path / str(jobs), jobs=jobs, threads=1).tables[0] for jobs in (2, 1))
    assert figures(two.rows()) == figures(one.rows()) and two.seeds == 2
    stored = json.loads(next((tmp_path / "1/runs").glob("*/masln/*/metrics.json")).read_text())
    assert stored["threads"] == 1 and {"method": stored["method"]} == {"method": "masln"}
    assert two.records[0].method == "tiny" and TINY.items() <= two.records[0].facts["hyperparameters"].items()
