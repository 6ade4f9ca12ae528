"""The ablation: which rows there are, what each changes, and the table that they make."""

from __future__ import annotations

import pytest

from masln.errors import ConfigError
from masln.experiments import ABLATIONS, FULL, Grid, RunConfig, ablation_entries, run_grid
from masln.models import MASLN
from masln.reporting import print_comparison
from tests.experiments.small import TINY, make_grid_here, small_config, write_small_bundle


def test_every_loss_is_switched_off_once_and_every_row_changes_one_thing():
    entries = ablation_entries(RunConfig(hyperparameters={"epochs": 3}, seed=7))
    assert entries[0].label == FULL and entries[0].config.hyperparameters == {"epochs": 3}
    changes = [dict(entry.config.hyperparameters) for entry in entries[1 : len(ABLATIONS)]]
    changed = [{key: value for key, value in own.items() if key != "epochs"} for own in changes]
    assert all(len(own) == 1 for own in changed)
    defaults = MASLN().get_params()
    assert all(defaults[key] != value for own in changed for key, value in own.items())
    off = [key for own in changed for key, value in own.items() if value == 0 and key in MASLN.LOSSES]
    assert sorted(off) == sorted(MASLN.LOSSES)
    assert {key for own in changed for key in own} - set(off) == {"class_embedding", "canonical_width", "adversary"}
    assert [(e.label, e.config.class_vectors) for e in entries if e.config.class_vectors != "own"] == [
        ("class vectors: sentence", "sentence"), ("class vectors: random", "random"),
    ]  # fmt: skip
    assert all(entry.config.seed == 7 and not entry.config.baselines for entry in entries)


def test_kinds_of_class_vectors_are_chosen():
    labels = [e.label for e in ablation_entries(RunConfig(), class_vectors=["own", "glove", "/vectors/google.bin"])]
    assert labels[len(ABLATIONS) :] == ["class vectors: glove", "class vectors: google.bin"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "cca"}, "of masln's losses and parts, not of cca"),
        ({"hyperparameters": {"adversary": "reversal"}}, "the ablation sets adversary itself"),
    ],
)
def test_what_it_is_not_of_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        ablation_entries(RunConfig(**values))


def test_the_table_is_tested_against_the_whole_method_and_a_row_that_cannot_run_says_so(tmp_path, capsys):
    bundle = write_small_bundle(tmp_path / "bundle")
    config = small_config(bundle, hyperparameters=TINY | {"learning_rate": 0.03}, select=False, splits=1)
    entries = ablation_entries(config, class_vectors=["random", "nowhere.bin"])
    make_grid_here(Grid("part", tuple(entries[:-1])), tmp_path / "run")
    (table,) = run_grid(Grid("ablate", tuple(entries)), tmp_path / "run", jobs=1).tables
    assert "'nowhere.bin': no such file" in table.failed["class vectors: nowhere.bin"]
    rows = {row["method"]: row for row in table.rows(FULL) if row["part"] == "unseen"}
    assert sorted(rows) == sorted(entry.label for entry in entries)
    del rows["class vectors: nowhere.bin"]
    assert rows[FULL]["p"] is None and all(row["p"] is not None for name, row in rows.items() if name != FULL)
    assert len({row["average"] for row in rows.values()}) > len(rows) / 2, "rows are of different fits"
    print_comparison([table], baseline=FULL)
    shown = capsys.readouterr().out
    assert "against full, Holm-corrected" in shown and "without reconstruction" in shown and "Curves" not in shown
