"""``masln reproduce``, whole, on small synthetic bundles that bear the names of published datasets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from masln.training import TrainingInterruptedError
from tests.experiments.small import write_small_bundle

FEW = ("--splits", "0", "--seeds", "1", "--jobs", "2", "--threads", "1", "--device", "cpu", "--methods")


@pytest.fixture
def root(tmp_path) -> Path:
    write_small_bundle(tmp_path / "bundles" / "wikipedia", classes=10)
    return tmp_path / "bundles"


def stamps(directory: str) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in sorted(Path(directory).glob("runs/*/*/*/metrics.json"))}


def test_a_table_is_run_once_goes_on_and_shares_its_runs(masln, root):
    done = masln("reproduce", "zero-shot-unseen", "--data-root", str(root), "--out", "out", *FEW, "cca,cfa")
    assert done.code == 0 and done.err == "" and "failed" not in done.out, done.out
    value = json.loads(Path("out/zero-shot-unseen.json").read_text())
    markdown = Path("out/zero-shot-unseen.md").read_bytes()
    (dataset,) = value["datasets"]
    rows = {row["method"]: row for row in dataset["rows"]}
    assert list(rows) == ["CCA", "CFA", "ridge CCA", "chance"]
    assert rows["CCA"]["published"]["average"] == 0.237 and rows["CFA"]["ours"] == {}
    assert set(rows["CCA"]["ours"]) == {"parity", "parity-odd"}
    difference = rows["CCA"]["ours"]["parity"]["average"] - 0.237
    assert rows["CCA"]["ours"]["parity"]["difference"] == pytest.approx(difference)
    assert set(value["missing"]) == {"pascal_sentence", "nus_wide", "xmedianet"} and list(value["not_run"]) == ["CFA"]
    shown = done.out
    assert "0.238 / 0.236" in shown and f"{rows['CCA']['ours']['parity-odd']['average']:.3f} (" in shown
    for words in (
        "missing: pascal_sentence: features not at hand",
        "not run: CFA: ",
        "theirs images VGG-19",
        "fewer than three",
    ):
        assert words in shown and words in markdown.decode()
    made = stamps("out")
    assert len(made) == 6, "three rows on two class splits"

    seen = masln("reproduce", "zero-shot-seen", "--data-root", str(root), "--out", "out", *FEW, "cca", "--json")
    assert json.loads(seen.out)["part"] == "seen" and stamps("out") == made, "the same runs"

    report = masln("report", "out")
    assert report.code == 0 and "against ridge CCA, Holm-corrected" in report.out
    assert report.out.count(" CCA ") > report.out.count(" ridge CCA ") > 0, "both are rows"

    first = next(iter(made)).parents[2]
    shutil.rmtree(first)
    again = masln("reproduce", "zero-shot-unseen", "--data-root", str(root), "--out", "out", *FEW, "cca,cfa")
    assert again.out == shown and Path("out/zero-shot-unseen.md").read_bytes() == markdown
    assert {path for path, stamp in stamps("out").items() if made[path] != stamp} == {
        path for path in made if path.is_relative_to(first)
    }, "that run alone was made again"


def test_a_row_that_cannot_run_says_why(masln, root):
    bundle = root / "wikipedia"
    manifest = json.loads((bundle / "manifest.json").read_text())
    del manifest["files"]["class_embeddings.npy"]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    done = masln("reproduce", "standard", "--data-root", str(root), "--out", "out", *FEW, "cca,masln")
    assert done.code == 0, done.err
    assert "failed: masln (all classes): " in done.out and "class embeddings" in done.out
    assert len(stamps("out")) == 3
    value = json.loads(Path("out/standard.json").read_text())
    rows = {row["method"]: row for row in value["datasets"][0]["rows"]}
    assert rows["masln"]["failed"].keys() == {"all-seen"} and rows["CCA"]["ours"]["all-seen"]["average"] > 0
    assert value["datasets"][0]["agreement"] == {"all-seen": None}


def test_ctrl_c_says_that_the_same_command_goes_on(masln, root, monkeypatch):
    def stopped(*arguments, **options):
        raise TrainingInterruptedError("interrupted: 1 of 3 runs; the same command with --resume goes on")

    monkeypatch.setattr("masln.experiments.reproduction.run_grid", stopped)
    done = masln("reproduce", "standard", "--data-root", str(root), "--out", "out", *FEW, "cca")
    assert done.code == 2 and "finished are kept in out, the same command goes on" in done.err
    assert "--resume" not in done.err


def test_without_a_table_they_are_listed(masln):
    done = masln("reproduce", "--json")
    tables = {row["table"]: row for row in json.loads(done.out)}
    assert set(tables) == {"zero-shot-unseen", "zero-shot-seen", "generalized", "standard", "dscmr-pascal"}
    assert tables["zero-shot-unseen"]["rows"] == 19 and tables["zero-shot-unseen"]["run here"] == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("zero-shot-unsen",), "unknown table 'zero-shot-unsen' (did you mean 'zero-shot-unseen'?)"),
        (("standard", "--methods", "kccca"), "unknown method 'kccca' (did you mean 'kcca'?)"),
        (("standard", "--data-root", "nowhere"), "no folder nowhere of bundles"),
        (("dscmr-pascal",), "holds no bundle of the table's datasets (pascal-sentence)"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(masln, root, arguments, message):
    given = arguments if "--data-root" in arguments else (*arguments, "--data-root", str(root))
    done = masln("reproduce", *given)
    assert done.code == 2 and message in done.err and done.err.count("\n") == 1
    assert not Path("runs").exists()
