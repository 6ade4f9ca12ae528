"""``masln compare``, whole, on a small synthetic bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from masln.experiments import comparison_methods
from masln.models import method_resolver

LINEAR = ("--methods", "chance", "--splits", "2", "--jobs", "2")


def figures(run: str) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(Path(run).rglob("per_query.csv"))}


def test_the_table_has_every_method_with_its_cost(masln, bundle):
    done = masln("compare", "--data", str(bundle), "--out", "run", *LINEAR)
    assert done.code == 0 and done.err == ""
    lines = [line.split() for line in done.out.splitlines() if line.startswith("│")]
    assert [(line[1], line[3]) for line in lines] == [
        ("unseen", "cca"), ("unseen", "chance"), ("seen", "cca"), ("seen", "chance"),
    ]  # fmt: skip
    assert all(line[-5] == "s" and line[-2] == "MiB" for line in lines)
    assert done.out.rstrip().endswith("run directory: run")


def test_json_has_all_parts_and_the_memory(masln, bundle):
    done = masln("compare", "--data", str(bundle), "--out", "run", "--json", *LINEAR)
    value = json.loads(done.out)
    assert done.err == "" and value["failed"] == {} and len(value["class_splits"]) == 2
    assert {row["part"] for row in value["rows"]} > {"unseen", "seen", "harmonic", "generalized unseen"}
    for row in value["rows"]:
        assert row["processor_seconds"] >= 0 and row["runs"] == 2
        assert row["peak_memory"] is None or row["peak_memory"] > 5e7, "Python and torch alone hold more"
        assert row["method"] == "cca" or row["part"] == "harmonic" or 0 < row["p"] <= 1


def test_figures_are_those_of_train_whatever_the_jobs(masln, bundle):
    assert masln("compare", "--data", str(bundle), "--out", "two", *LINEAR).code == 0
    assert masln("compare", "--data", str(bundle), "--out", "one", *LINEAR[:-1], "1").code == 0
    trained = masln(
        "train", "--data", str(bundle), "--method", "chance", "--splits", "2", "--out", "train", "--no-plots"
    )
    assert trained.code == 0
    assert figures("two") == figures("one") == figures("train") != {}
    assert masln("evaluate", "two").code == 0


def test_a_run_that_fails_leaves_the_others_and_resume_makes_it_good(masln, bundle):
    assert masln("compare", "--data", str(bundle), "--out", "run", *LINEAR).code == 0
    expected = figures("run")
    shutil.rmtree("run/cca/split1-seed0")
    Path("run/cca/split1-seed0").write_text("in the way")
    kept = Path("run/chance/split0-seed0/metrics.json").stat().st_mtime_ns
    failed = masln("compare", "--out", "run", "--resume", "--jobs", "1")
    assert failed.code == 2 and failed.err.startswith("Error: cca/split1-seed0: ") and failed.err.count("\n") == 1
    assert "masln compare --resume --out run goes on" in failed.err
    assert "chance" in failed.out and " cca " not in failed.out.split("┡")[1].split("└")[0]
    Path("run/cca/split1-seed0").unlink()
    assert masln("compare", "--out", "run", "--resume", "--jobs", "1").code == 0
    assert figures("run") == expected
    assert Path("run/chance/split0-seed0/metrics.json").stat().st_mtime_ns == kept, "not run again"


def test_a_saved_configuration_repeats_the_comparison(masln, bundle):
    assert masln("compare", "--data", str(bundle), "--out", "run", *LINEAR).code == 0
    again = masln("compare", "--config", "run/config.yaml", "--out", "again")
    assert again.code == 0 and figures("again") == figures("run")


def test_parts_are_chosen(masln, bundle):
    done = masln("compare", "--data", str(bundle), "--out", "run", *LINEAR, "--parts", "harmonic")
    assert done.code == 0 and "harmonic" in done.out and "unseen │" not in done.out
    wrong = masln("compare", "--out", "run", "--resume", "--parts", "unsen")
    assert wrong.code == 2 and "unknown part 'unsen' (did you mean 'unseen'?)" in wrong.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--methods", "maslm"), "unknown method 'maslm' (did you mean 'masln'?)"),
        (("--methods", "", "--baselines", ""), "no method to compare"),
        (("--resume",), "--resume needs --out"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(masln, bundle, arguments, message):
    done = masln("compare", "--data", str(bundle), *arguments)
    assert done.code == 2 and message in done.err
    assert not Path("runs").exists()


def test_all_means_all_methods_each_once_the_baselines_last():
    names = comparison_methods("all", "cca,chance")
    assert names[-2:] == ["cca", "chance"] and names[0] == "masln"
    assert sorted(names) == sorted(method_resolver.lookup_dict)
    assert comparison_methods("cca, masln ,cca", "") == ["cca", "masln"]
