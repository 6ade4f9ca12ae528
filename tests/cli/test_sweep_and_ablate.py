"""``masln compare --sweep`` and ``masln ablate`` on a small synthetic bundle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from masln.experiments import ABLATIONS, FULL, Grid, ablation_entries
from tests.experiments.small import TINY, make_grid_here, small_config


def test_a_sweep_gives_a_table_for_each_value_and_a_curve_and_goes_on(masln, bundle):
    arguments = ("--methods", "chance", "--baselines", "", "--splits", "1", "--jobs", "2")
    done = masln("compare", "--data", str(bundle), "--out", "run", *arguments, "--sweep", "unseen_share=0.3:0.5:0.2")
    assert done.code == 0 and done.err == ""
    assert done.out.index("unseen_share=0.3\n") < done.out.index("unseen_share=0.5\n") < done.out.index("Curves")
    again = masln("compare", "--out", "run", "--resume", "--json")
    value = json.loads(again.out)
    assert [table["sweep"] for table in value["tables"]] == [{"unseen_share": 0.3}, {"unseen_share": 0.5}]
    assert [row["sweep"] for row in value["curves"] if row["part"] == "seen"] == [
        {"unseen_share": 0.3}, {"unseen_share": 0.5},
    ]  # fmt: skip


def test_an_ablation_that_is_there_is_printed_and_not_made_again(masln, bundle):
    config = small_config(bundle, hyperparameters=TINY, select=False, splits=1)
    make_grid_here(Grid("ablate", tuple(ablation_entries(config, class_vectors=["random"]))), Path("run"))
    done = masln("ablate", "--out", "run", "--resume", "--json")
    (table,) = json.loads(done.out)["tables"]
    assert {row["method"] for row in table["rows"]} == {*ABLATIONS, "class vectors: random"}
    assert all((row["p"] is None) == (row["method"] == FULL) for row in table["rows"] if row["part"] == "unseen")
    shown = masln("ablate", "--out", "run", "--resume", "--parts", "unseen").out
    assert "against full, Holm-corrected" in shown and shown.count("without reconstruction") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compare", "--sweep", "unseen_shares=0.3"), "(did you mean 'unseen_share'?)"),
        (("compare", "--sweep", "unseen_share"), "write key=value, such as --sweep unseen_share=0.1:0.9:0.2"),
        (("compare", "--search", "tpe"), "search tpe needs a budget"),
        (("compare", "--budget", "3", "--no-select"), "a budget is of the choice on validation classes"),
        (("ablate", "--set", "adversary=reversal"), "the ablation sets adversary itself"),
        (("ablate", "--set", "epochs=0", "--class-vectors", "random"), "epochs"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(masln, bundle, arguments, message):
    done = masln(*arguments, "--data", str(bundle))
    assert done.code == 2 and message in done.err and done.err.count("\n") == 1
    assert not Path("runs").exists()
