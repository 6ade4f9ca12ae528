"""Sweeps: what is read, which entries there are, and the tables and curves that they come to."""

from __future__ import annotations

import json

import pytest

from masln.errors import ConfigError, MaslnError
from masln.experiments import (
    Grid,
    Sweep,
    curve_rows,
    entries_of,
    read_grid,
    read_sweep,
    run_experiment,
    run_grid,
    summary_rows,
    sweep_entries,
    swept_tables,
)
from masln.reporting import print_comparison
from tests.experiments.small import TINY, make_grid_here, small_config, write_small_bundle

SPLITS = 2


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_small_bundle(tmp_path_factory.mktemp("data") / "bundle")


def linear(bundle, **values):
    plain = {"method": "cca", "hyperparameters": {"ridge": 0.1}, "baselines": ["chance"], "select": False}
    return small_config(bundle, **plain | values)


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("unseen_share=0.1:0.9:0.2", "unseen_share", (0.1, 0.3, 0.5, 0.7, 0.9)),
        ("unseen_share=0.1:0.35:0.1", "unseen_share", (0.1, 0.2, 0.3)),
        ("code_width=32:128:32", "code_width", (32, 64, 96, 128)),
        ("code_width=32,64,128", "code_width", (32, 64, 128)),
        ("hidden=[512],[256,128]", "hidden", ([512], [256, 128])),
        ("class_vectors=own,random,glove", "class_vectors", ("own", "random", "glove")),
        ("learning_rate=1e-3,3e-4,1e-3", "learning_rate", (1e-3, 3e-4)),
        ("protocol.gallery=train,test", "gallery", ("train", "test")),
    ],
)
def test_values_are_ranges_with_both_ends_or_lists(text, key, values):
    assert read_sweep(text) == Sweep(key, values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("unseen_share", "write key=value, such as --sweep unseen_share=0.1:0.9:0.2"),
        ("unseen_share=", "has no value"),
        ("unseen_share=0.9:0.1:0.2", "a range goes up"),
        ("unseen_share=0.1:0.9:0", "a range goes up"),
        ("code_width=1:100000:1", "at most 100 values"),
        ("code_width=1..2:3:1", "a range is START:STOP:STEP"),
        ("hidden=[512,[256]", "cannot be read as YAML"),
        ("seed=1,2", "seed is not swept; give it as an option of its own"),
    ],
)
def test_what_is_no_sweep_is_refused_in_one_line(text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        read_sweep(text)
    assert "\n" not in str(caught.value)


def test_a_value_of_the_configuration_is_a_table_and_one_of_a_hyper_parameter_a_row(bundle):
    sweeps = [Sweep("train_share", (0.5, 1.0)), Sweep("ridge", (0.1, 1.0)), Sweep("gallery", ("test", "train"))]
    sweeps.append(Sweep("precision", ("fp32",)))
    entries = sweep_entries(entries_of(linear(bundle, hyperparameters={})), sweeps)
    found = {
        (e.config.method, e.config.train_share, e.config.protocol.gallery, e.config.hyperparameters.get("ridge"))
        for e in entries
    }
    places = [(share, gallery) for share in (0.5, 1.0) for gallery in ("test", "train")]
    assert found == {("cca", *p, ridge) for p in places for ridge in (0.1, 1.0)} | {
        ("chance", *p, None) for p in places
    }
    assert len(entries) == 12
    labels = [entry.label for entry in entries if entry.config.protocol.gallery == "train"]
    assert labels == ["cca, ridge=0.1, precision=fp32", "cca, ridge=1.0, precision=fp32", "chance, precision=fp32"] * 2


@pytest.mark.parametrize(
    ("sweeps", "message"),
    [
        ([Sweep("rigde", (1,))], "unknown configuration key or hyper-parameter of these methods 'rigde' .*'ridge'"),
        ([Sweep("unseen_share", (0.3,)), Sweep("unseen_share", (0.5,))], "unseen_share is given twice"),
        ([Sweep("gallery", ("tset",))], "unknown protocol gallery 'tset'"),
        ([Sweep("train_share", (2,))], "train_share must lie above 0"),
    ],
)
def test_what_cannot_be_swept_is_refused(bundle, sweeps, message):
    with pytest.raises(MaslnError, match=message):
        sweep_entries(entries_of(linear(bundle)), sweeps)


@pytest.fixture(scope="module")
def shares(bundle, tmp_path_factory):
    """CCA and chance, at two shares of unseen classes and two of training pairs."""
    sweeps = [Sweep("unseen_share", (0.25, 0.5)), Sweep("train_share", (0.5, 1.0))]
    grid = Grid("compare", tuple(sweep_entries(entries_of(linear(bundle)), sweeps)))
    directory = tmp_path_factory.mktemp("grid") / "run"
    return make_grid_here(grid, directory)


def figures(rows):
    costs = ("processor_seconds", "peak_memory", "tried", "failed")
    return [{key: value for key, value in row.items() if key not in costs} for row in rows]


def curves_of(tables):
    return curve_rows(tables, [swept.table.rows() for swept in tables])


def test_each_table_is_that_of_a_comparison_with_its_value(bundle, shares, tmp_path):
    tables = swept_tables(shares.tables)
    assert [dict(swept.settings) for swept in tables] == [
        {"unseen_share": unseen, "train_share": train} for unseen in (0.25, 0.5) for train in (0.5, 1.0)
    ]
    for number, swept in enumerate(tables):
        config = linear(bundle, **swept.settings)
        alone = run_experiment(config, tmp_path / str(number))
        expected = summary_rows(alone.records, baseline="cca")
        by_name = lambda rows: sorted(figures(rows), key=lambda row: (row["part"], row["method"]))  # noqa: E731
        assert by_name(swept.table.rows()) == by_name(expected)


def test_a_grid_that_is_read_back_gives_the_same_tables(shares):
    again = run_grid(read_grid(shares.directory, "compare"), shares.directory, jobs=1)
    ours, theirs = (
        [(s.settings, figures(s.table.rows())) for s in swept_tables(result.tables)] for result in (shares, again)
    )
    assert ours == theirs


def test_curves_have_a_line_for_each_value_of_a_method(shares):
    tables = swept_tables(shares.tables)
    rows = curves_of(tables)
    unseen = [row for row in rows if row["part"] == "unseen"]
    assert [(row["method"], *row["sweep"].values()) for row in unseen] == [
        (method, share, train) for method in ("cca", "chance") for share in (0.25, 0.5) for train in (0.5, 1.0)
    ]
    assert sum(len(swept.table.rows()) for swept in tables) == len(rows)


def test_hyper_parameters_are_rows_of_one_table_with_their_curve(bundle, tmp_path, capsys):
    config = small_config(bundle, baselines=["cca"], select=False)
    entries = sweep_entries(entries_of(config), [Sweep("code_width", (4, 6))])
    result = make_grid_here(Grid("compare", tuple(entries)), tmp_path / "run")
    (swept,) = swept_tables(result.tables)
    assert not swept.settings
    labels = [entry.label for entry in swept.table.entries]
    assert labels == ["masln, code_width=4", "masln, code_width=6", "cca"]
    curve = [(r["method"], r["sweep"]) for r in curves_of([swept]) if r["part"] == "seen"]
    assert curve == [("masln", {"code_width": 4}), ("masln", {"code_width": 6}), ("cca", {})]
    print_comparison([swept], parts="unseen")
    shown = capsys.readouterr().out
    assert shown.index("masln, code_width=4") < shown.index("Curves, mAP@all") < shown.rindex("code_width=6")
    print_comparison([swept], parts="unseen", as_json=True)
    value = json.loads(capsys.readouterr().out)
    assert [row["sweep"] for row in value["curves"]] == [{"code_width": 4}, {"code_width": 6}, {}]


def test_tables_say_what_they_are_of_and_nothing_swept_has_no_curve(bundle, shares, tmp_path, capsys):
    tables = swept_tables(shares.tables)
    print_comparison(tables)
    shown = capsys.readouterr().out
    assert shown.index("unseen_share=0.25, train_share=0.5\n") < shown.index("unseen_share=0.5, train_share=1.0\n")
    assert shown.count("Curves, mAP@all") == 1
    print_comparison(tables, as_json=True)
    value = json.loads(capsys.readouterr().out)
    assert [table["sweep"] for table in value["tables"]] == [dict(swept.settings) for swept in tables]
    plain = make_grid_here(Grid("compare", tuple(entries_of(linear(bundle)))), tmp_path / "run")
    print_comparison(swept_tables(plain.tables))
    assert "Curves" not in capsys.readouterr().out


def test_every_setting_shows_the_parts_that_it_is_about(bundle, tmp_path, capsys):
    config = linear(bundle, splits=1, baselines=[])
    entries = sweep_entries(entries_of(config), [Sweep("setting", ("seen_unseen", "generalized"))])
    print_comparison(swept_tables(make_grid_here(Grid("compare", tuple(entries)), tmp_path / "run").tables))
    first, second = capsys.readouterr().out.split("setting=generalized\n")
    assert "harmonic" not in first and "generalized unseen" not in first
    assert "harmonic" in second and "generalized unseen" in second


def test_a_value_that_cannot_run_is_a_row_that_says_so(bundle, tmp_path):
    sweeps = [Sweep("unseen_share", (0.5, 0.99))]
    grid = Grid("compare", tuple(sweep_entries(entries_of(linear(bundle, splits=1)), sweeps[:1])))
    make_grid_here(Grid("part", grid.entries[:2]), tmp_path / "run")
    first, second = swept_tables(run_grid(grid, tmp_path / "run", jobs=1).tables)
    assert not first.table.failed and set(second.table.failed) == {"cca", "chance"}
    failed = [row for row in curves_of([first, second]) if row["failed"]]
    assert [(row["method"], row["sweep"]) for row in failed] == [(m, {"unseen_share": 0.99}) for m in ("cca", "chance")]


def test_reranked_rows_stay_with_their_method(tmp_path):
    bundle = write_small_bundle(tmp_path / "bundle", per_class=12)
    config = small_config(
        bundle, method="attentionmatching", splits=1, select=False, baselines=[], rerank=3,
        hyperparameters={"epochs": 1, "code_width": 8, "heads": 2, "batch_size": 16},
    )  # fmt: skip
    entries = sweep_entries(entries_of(config), [Sweep("train_share", (0.5, 1.0))])
    tables = swept_tables(make_grid_here(Grid("compare", tuple(entries)), tmp_path / "run").tables)
    assert {row["method"] for swept in tables for row in swept.table.rows()} == {
        "attentionmatching", "attentionmatching, top 3 re-ranked",
    }  # fmt: skip
    rows = [row for row in curves_of(tables) if row["part"] == "unseen"]
    assert [row["sweep"]["train_share"] for row in rows] == [0.5, 1.0, 0.5, 1.0]


def test_a_method_keeps_its_other_settings(bundle):
    entries = sweep_entries(entries_of(small_config(bundle, splits=1)), [Sweep("correlation", (0.1, 1.0))])
    assert [dict(entry.config.hyperparameters) for entry in entries[:2]] == [
        TINY | {"correlation": 0.1}, TINY | {"correlation": 1.0},
    ]  # fmt: skip
