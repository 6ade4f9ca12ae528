"""Run directories joined: the table is that of one directory with all of it, and what does not join is refused."""

from __future__ import annotations

import shutil

import pytest

from masln.errors import CheckpointError, ConfigError
from masln.experiments import join_runs, read_experiment, rows_with_cost
from tests.experiments.run_folders import write_runs


def rows_of(joined):
    rows = rows_with_cost(joined.records, baseline=joined.baseline)
    return sorted(rows, key=lambda row: (row["part"], row["method"]))


def test_one_directory_gives_its_own_table(tmp_path):
    run = write_runs(tmp_path / "run")
    (joined,) = join_runs([run])
    assert rows_with_cost(joined.records, baseline="cca") == rows_with_cost(
        read_experiment(run).records, baseline="cca"
    )
    assert joined.baseline == "cca"
    assert (joined.data, joined.class_split, joined.unseen_share, joined.notes) == ("toy", "random", 0.5, ())
    assert joined.methods == ["masln", "cca", "chance"] and joined.baseline == "cca"
    assert joined.class_names[3] == "class3" and len(joined.class_splits) == 3
    assert {run.environment["masln"] for run in joined.runs} and joined.runs[0].directory.parent == run / "masln"


def test_methods_and_class_splits_apart_give_the_table_of_all_together(tmp_path):
    methods = {"masln": 2.0, "cca": 1.0, "chance": 0.0}
    (whole,) = join_runs([write_runs(tmp_path / "whole", methods)])
    parts = []
    for name in methods:
        for seed in range(3):
            place = tmp_path / f"{name}{seed}"
            shutil.copytree(tmp_path / "whole" / name, place / name, ignore=lambda _, names: [])
            for other in range(3):
                if other != seed:
                    shutil.rmtree(place / name / f"split{other}-seed0")
            (place / name / f"split{seed}-seed0").rename(place / name / f"split0-seed{seed}")
            text = (tmp_path / "whole" / "config.yaml").read_text()
            text = text.replace("method: masln", f"method: {name}").replace("- cca\n- chance", "[]")
            text = text.replace("baselines:\n[]", "baselines: []").replace("splits: 3", "splits: 1")
            (place / "config.yaml").write_text(text.replace("\nseed: 0", f"\nseed: {seed}"))
            shutil.copy(tmp_path / "whole" / "environment.json", place)
            parts.append(place)
    (joined,) = join_runs(parts)
    assert rows_of(joined) == rows_of(whole)
    assert joined.class_splits == whole.class_splits and joined.notes == ()


def test_baselines_that_stand_in_both_directories_count_once(tmp_path):
    one = write_runs(tmp_path / "one", {"masln": 2.0, "cca": 1.0, "chance": 0.0})
    same = write_runs(tmp_path / "same", {"pls": 1.5, "cca": 1.0, "chance": 0.0})
    other = write_runs(tmp_path / "other", {"pls": 1.5, "cca": 1.1, "chance": 0.0})
    (joined,) = join_runs([one, same, one])
    assert len(joined.runs) == 4 * 3 and joined.notes == ()
    (joined,) = join_runs([one, other])
    assert len(joined.runs) == 4 * 3
    (note,) = joined.notes
    assert note.startswith("runs that stand in several directories differ by up to 0.0") and "the first counts" in note
    rows = {row["method"]: row for row in rows_of(joined) if row["part"] == "unseen"}
    (alone,) = join_runs([one])
    assert (
        rows["cca"]["average"]
        == next(r for r in rows_of(alone) if (r["part"], r["method"]) == ("unseen", "cca"))["average"]
    )


def test_means_are_over_the_class_splits_that_every_method_has(tmp_path):
    one = write_runs(tmp_path / "one", splits=3)
    two = write_runs(tmp_path / "two", {"pls": 1.5}, splits=2, seed=1)
    (joined,) = join_runs([one, two])
    assert joined.notes == ("figures are over the 2 of 3 class splits that every method has (pls: 2 of 3)",)
    assert {len({r.facts["split"] for r in joined.records if r.method == m}) for m in joined.methods} == {2}
    apart = write_runs(tmp_path / "apart", {"pls": 1.5}, splits=1, seed=7)
    with pytest.raises(ConfigError, match=r"no class split of toy is common to all methods \(pls: 1 of 4; masln, cca"):
        join_runs([one, apart])


def test_a_method_with_other_settings_is_another_row(tmp_path):
    runs = [
        write_runs(tmp_path / "plain", {"masln": 2.0, "cca": 1.0}),
        write_runs(tmp_path / "without", {"masln": 1.5}, hyperparameters={"correlation": 0.0}),
        write_runs(tmp_path / "list", {"masln": 1.6}, hyperparameters={"hidden": [8, 4]}),
        write_runs(tmp_path / "unselected", {"cca": 0.5}, select=False),
    ]
    (joined,) = join_runs(runs)
    assert joined.methods == ["masln", "cca", "masln, correlation=0.0", "masln, hidden=[8, 4]", "cca, select=false"]
    assert joined.baseline == "cca" and joined.notes == ()
    many = write_runs(
        tmp_path / "many", {"masln": 1.0}, hyperparameters={"epochs": 3, "code_width": 4, "dropout": "<b>"}
    )
    (joined,) = join_runs([runs[0], many])
    assert joined.methods == ["masln", "cca", "masln (2)"]
    assert joined.notes == ("masln (2): code_width=4, dropout=<b>, epochs=3",)


def test_shares_datasets_and_rules_stand_apart_in_order(tmp_path):
    runs = [
        write_runs(tmp_path / "b", data="b", splits=1),
        write_runs(tmp_path / "a5", data="a", splits=1, unseen_share=0.5),
        write_runs(tmp_path / "a2", data="a", splits=1, unseen_share=0.25),
        write_runs(tmp_path / "odd", data="a", splits=1, class_split="parity-odd"),
    ]
    found = [(j.data, j.class_split, j.unseen_share) for j in join_runs(runs)]
    assert found == [("b", "random", 0.5), ("a", "parity-odd", None), ("a", "random", 0.25), ("a", "random", 0.5)]


def test_the_standard_setting(tmp_path):
    (joined,) = join_runs([write_runs(tmp_path / "run", splits=1, seeds=2, protocol={"setting": "standard"})])
    assert (joined.class_split, joined.unseen_share) == ("all-seen", None) and len(joined.runs) == 2 + 1 + 2


def test_protocols_stand_apart_and_say_so(tmp_path):
    """As those of a sweep over ``gallery``; the class splits are the same, the figures do not compare."""
    runs = [
        write_runs(tmp_path / "one", splits=1),
        write_runs(tmp_path / "two", splits=1, protocol={"normalize": "block", "gallery": "train"}),
        write_runs(tmp_path / "three", {"pls": 1.0}, splits=1),
        write_runs(tmp_path / "other", splits=1, data="another"),
    ]
    one, two, other = join_runs(runs)
    assert [table.protocol.gallery for table in (one, two, other)] == ["test", "train", "test"]
    assert one.methods == ["masln", "cca", "chance", "pls"] and two.methods == other.methods == one.methods[:3]
    (note,) = one.notes
    assert "protocols that differ in gallery, normalize" in note and two.notes == (note,) and other.notes == ()


def test_shares_of_the_training_pairs_stand_apart_each_with_its_baseline(tmp_path):
    runs = [write_runs(tmp_path / str(share), splits=2, train_share=share) for share in (1.0, 0.5)]
    half, whole = join_runs(runs)
    assert (half.train_share, whole.train_share) == (0.5, 1.0) and half.notes == whole.notes == ()
    assert half.methods == whole.methods == ["masln", "cca", "chance"] and half.baseline == "cca"
    assert {row["p_splits"] is None for row in rows_of(half) if row["method"] == "masln"} == {False}


class TestRefused:
    def test_no_run_directory(self, tmp_path):
        with pytest.raises(ConfigError, match=r"is no run directory: it has no config\.yaml"):
            join_runs([tmp_path])
        with pytest.raises(ConfigError, match="no run directory given"):
            join_runs([])

    def test_unfinished_runs(self, tmp_path):
        run = write_runs(tmp_path / "run")
        (run / "cca" / "split1-seed0" / "metrics.json").unlink()
        message = (
            r"run is unfinished: 1 of its 9 runs have no figures, the first of them cca/split1-seed0; .*--resume --out"
        )
        with pytest.raises(CheckpointError, match=message):
            join_runs([run])

    @pytest.mark.parametrize("name", ["metrics.json", "per_query.csv", "class_split.json"])
    def test_a_damaged_file(self, tmp_path, name):
        run = write_runs(tmp_path / "run", splits=1)
        (run / "masln" / "split0-seed0" / name).write_text('{"truncated')
        with pytest.raises(CheckpointError):
            join_runs([run])

    def test_no_environment(self, tmp_path):
        run = write_runs(tmp_path / "run", splits=1)
        (run / "environment.json").unlink()
        with pytest.raises(CheckpointError, match=r"environment\.json"):
            join_runs([run])
