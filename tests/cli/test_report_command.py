"""``masln report``, whole, on runs that were written by the test."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.experiments.run_folders import write_runs


@pytest.fixture
def runs(tmp_path) -> list[str]:
    return [
        str(write_runs(tmp_path / "one", splits=2)),
        str(write_runs(tmp_path / "two", {"pls": 1.5, "cca": 1.0, "chance": 0.0}, splits=2)),
    ]


def test_one_table_of_several_directories_in_every_format(masln, runs):
    names = ["report.html", "report.md", "report.tex", "new/report.csv"]
    done = masln("report", *runs, *(word for name in names for word in ("--out", name)))
    assert done.code == 0 and done.err == ""
    for name in names:
        text = Path(name).read_text(encoding="utf-8")
        assert all(method in text for method in ("masln", "pls", "cca", "chance"))
        assert f"written: {name}" in done.out
    assert Path("report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "paired permutation test" in done.out and "pls" in done.out
    again = masln("report", *runs, "--out", "report.html", "--overwrite", "--quiet")
    assert again.code == 0 and "written" not in again.out and "permutation" not in again.out


def test_runs_that_recorded_no_time_leave_its_cell_empty(masln, runs):
    """As those of the first versions did not."""
    for path in Path(runs[0]).glob("*/*/metrics.json"):
        facts = json.loads(path.read_text())
        del facts["processor_seconds"]
        path.write_text(json.dumps(facts))
    done = masln("report", runs[0], "--json", *(word for end in ("md", "csv") for word in ("--out", f"r.{end}")))
    assert done.code == 0, done.err
    (table,) = json.loads(done.out)["tables"]
    assert all(row["processor_seconds"] is None for row in table["rows"])
    assert "1.2 s" not in Path("r.md").read_text(encoding="utf-8")
    (both,) = json.loads(masln("report", *runs, "--json").out)["tables"]
    assert [row["processor_seconds"] for row in both["rows"] if row["method"] == "pls"] == [1.25] * 5


def test_json_has_the_rows_whole(masln, runs):
    done = masln("report", *runs, "--json", "--out", "t.csv")
    value = json.loads(done.out)
    (table,) = value["tables"]
    assert value["written"] == ["t.csv"] and table["data"] == "toy" and len(table["class_splits"]) == 2
    assert {row["method"] for row in table["rows"]} == {"masln", "pls", "cca", "chance"}
    assert table["protocol"]["setting"] == "seen_unseen" and table["rows"][0]["average"] > table["rows"][-1]["average"]


def test_without_out_the_table_is_printed_and_nothing_written(masln, runs):
    done = masln("report", runs[0])
    assert done.code == 0 and "harmonic" in done.out and list(Path.cwd().iterdir()) == []


def test_the_figures_are_those_of_the_run(masln, bundle):
    """A run of ``masln train`` itself, read back."""
    options = ("--method", "cca", "--baselines", "chance", "--splits", "2", "--no-plots")
    assert masln("train", "--data", str(bundle), *options, "--out", "run").code == 0
    saved = json.loads(Path("run/metrics.json").read_text())["rows"]
    (table,) = json.loads(masln("report", "run", "--json").out)["tables"]
    rows = {(row["part"], row["method"]): row for row in table["rows"]}
    assert all(rows[row["part"], row["method"]].items() >= row.items() for row in saved) and len(rows) == len(saved)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'RUNS...'"),
        (("ONE", "absent", "--out", "r.html"), "absent is no run directory: it has no config.yaml"),
        (
            ("ONE", "--out", "r.pdf"),
            "--out r.pdf: end the name in .html (tables and figures), .md, .tex or .csv (tables)",
        ),
        (("ONE", "--out", "r.html", "--out", "."), "is a folder; name a file in it"),
        (("ONE", "OTHER", "--out", "r.html"), "no class split of toy is common to all methods (pls: 1 of 3;"),
        (("ONE", "UNFINISHED", "--out", "r.md", "--out", "r.html"), "is unfinished: 1 of its 2 runs have no figures"),
        (("ONE", "--maps", "--out", "r.md", "--out", "r.html"), "bundles/toy"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(masln, runs, tmp_path, arguments, message):
    write_runs(tmp_path / "other", {"pls": 1.0}, splits=1, seed=9)
    write_runs(tmp_path / "unfinished", {"pls": 1.0}, splits=2)
    shutil.rmtree(tmp_path / "unfinished/pls/split1-seed0")
    places = {"ONE": runs[0], "OTHER": str(tmp_path / "other"), "UNFINISHED": str(tmp_path / "unfinished")}
    done = masln("report", *(places.get(word, word) for word in arguments))
    assert done.code == 2 and done.out == "" and "Traceback" not in done.err
    (line,) = [line for line in done.err.splitlines() if line.startswith("Error: ")]
    assert message in line and list(Path.cwd().iterdir()) == []


def test_a_file_that_is_there_is_left_alone(masln, runs):
    Path("report.md").write_text("mine")
    done = masln("report", *runs, "--out", "new.html", "--out", "report.md")
    assert done.code == 2 and "report.md exists; choose another --out, or give --overwrite" in done.err
    assert Path("report.md").read_text() == "mine" and not Path("new.html").exists()
