"""``masln compare``, whole, on a small synthetic bundle."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from masln.experiments import comparison_methods
from masln.models import method_resolver
from tests.experiments.small import write_small_bundle

LINEAR = ("--methods", "chance", "--splits", "2", "--jobs", "2")


def figures(run: str) -> dict[tuple[str, str], bytes]:
    """Of a grid's folder or of an experiment's: by method and class split."""
    found = {}
    for path in sorted(Path(run).rglob("per_query.csv")):
        split = json.loads((path.parent / "class_split.json").read_text())["hash"]
        found[path.parts[-3], split] = path.read_bytes()
    return found


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
    (value,) = json.loads(done.out)["tables"]
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
    for run in Path("two/runs").iterdir():
        assert masln("evaluate", str(run)).code == 0


def test_threads_of_each_run_are_as_many_as_asked_for_whatever_the_jobs(masln, bundle):
    chosen = ("--methods", "cca", "--baselines", "", "--splits", "1")
    for jobs, threads in (("1", "1"), ("2", "3")):
        done = masln("compare", "--data", str(bundle), "--out", jobs, *chosen, "--jobs", jobs, "--threads", threads)
        assert done.code == 0
        (saved,) = Path(jobs).glob("runs/*/cca/*/metrics.json")
        assert json.loads(saved.read_text())["threads"] == int(threads)


def test_a_run_that_fails_leaves_the_others_and_resume_makes_it_good(masln, bundle):
    assert masln("compare", "--data", str(bundle), "--out", "run", *LINEAR).code == 0
    expected = figures("run")
    lost = next(Path("run/runs").glob("*/cca/*")).parents[1]
    shutil.rmtree(lost)
    lost.write_text("in the way")
    other = next(Path("run/runs").glob("*/chance/*/metrics.json"))
    kept = other.stat().st_mtime_ns
    failed = masln("compare", "--out", "run", "--resume", "--jobs", "1")
    assert failed.code == 2 and failed.err.startswith("Error: cca on synthetic: FileExistsError: ")
    assert failed.err.count("\n") == 1 and "(class split " in failed.err and "run.log" not in failed.err
    rows = [line.split("│")[2:6] for line in failed.out.splitlines() if line.startswith("│")]
    shown = {row[0].strip(): row[3].strip() for row in rows}
    assert shown["cca"] == "failed" and 0 < float(shown["chance"]) < 1
    assert "cca failed: FileExistsError" in failed.out
    lost.unlink()
    assert masln("compare", "--out", "run", "--resume", "--jobs", "1").code == 0
    assert figures("run") == expected
    assert other.stat().st_mtime_ns == kept, "not run again"


def test_a_configuration_file_is_compared_with_its_baselines(masln, bundle):
    Path("chosen.yaml").write_text(
        f"method: cca\ndata: {bundle}\nbaselines: [chance]\nhyperparameters: {{ridge: 0.5}}\n"
    )
    done = masln("compare", "--config", "chosen.yaml", "--out", "run", "--json")
    assert {row["method"] for row in json.loads(done.out)["tables"][0]["rows"]} == {"cca", "chance"}
    chosen = next(Path("run/runs").glob("*/cca/*/metrics.json"))
    assert json.loads(chosen.read_text())["hyperparameters"]["ridge"] == 0.5


def test_several_datasets_are_a_table_each(masln, bundle, tmp_path):
    other = write_small_bundle(tmp_path / "other", seed=1)
    chosen = ("--methods", "cca", "--baselines", "", "--splits", "1", "--jobs", "1")
    done = masln("compare", "--data", str(bundle), "--data", str(other), "--json", *chosen)
    first, second = json.loads(done.out)["tables"]
    assert (first["data"], second["data"]) == (str(bundle), str(other))
    assert first["rows"][0]["average"] != second["rows"][0]["average"]
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("bundle+other-compare-seen_unseen-")


def test_without_ray_a_cluster_is_refused_with_the_extra_to_install(masln, bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = masln("compare", "--data", str(bundle), "--out", "run", "--cluster", "auto", *LINEAR)
    assert done.code == 2 and "pip install 'masln[cluster]'" in done.err and not Path("run").exists()


def test_an_out_that_holds_something_is_refused_without_resume(masln, bundle):
    Path("run").mkdir()
    Path("run/mine").write_text("kept")
    done = masln("compare", "--data", str(bundle), "--out", "run", *LINEAR)
    assert done.code == 2 and "run exists; choose another --out, or add --resume" in done.err
    nothing = masln("compare", "--out", "run", "--resume")
    assert nothing.code == 2 and "nothing to resume: run has no grids/compare.yaml" in nothing.err
    assert [path.name for path in Path("run").iterdir()] == ["mine"]


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
