"""Tables grow from kept lines: figures come back, what is stale does not count, and the table is over whole columns."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.kept_figures import DIRECTIONS, KeptFigures, tables_of
from masln.evaluation import Protocol
from masln.experiments import RunRecord, summary_rows
from masln.models import CCA

PARTS = ("unseen", "seen")
PROTOCOL = Protocol()


def a_run(method: str, split: int, value: float, seed: int = 0, seconds: float | None = 1.5) -> RunRecord:
    figures = {"mAP": value, "R@1": value / 2, "nDCG@10": 0.0}
    facts = {"method": method, "split": split, "seed": seed, "candidates": [{}, {}]}
    facts |= {"processor_seconds": seconds, "peak_memory": None}
    return RunRecord(facts, {part: {own: {"metrics": figures} for own in DIRECTIONS} for part in (*PARTS, "harmonic")})


def kept(file: Path, data: str = "a" * 64, protocol: Protocol = PROTOCOL) -> KeptFigures:
    return KeptFigures(file, data=data, protocol=protocol)


def test_what_is_kept_comes_back_from_the_file(tmp_path):
    runs = [a_run("cca", 5, 0.25), a_run("cca", 6, 0.5), a_run("masln", 5, 0.375), a_run("masln", 6, 0.625)]
    for run in runs:
        kept(tmp_path / "some.csv").keep([run], parts=PARTS)
    records, partial = kept(tmp_path / "some.csv").records(range(5, 7))
    assert partial == {}
    assert {(own.method, own.facts["split"]): own.map("seen") for own in records} == {
        (run.method, run.facts["split"]): run.map("seen") for run in runs
    }
    assert records[0].parts["unseen"]["t2i"]["metrics"] == {"mAP": 0.25, "R@1": 0.125}
    assert (records[0].facts["processor_seconds"], records[0].facts["peak_memory"]) == (1.5, None)
    assert len(records[0].facts["candidates"]) == 2
    row = next(row for row in summary_rows(records, baseline="cca") if row["method"] == "masln")
    assert (row["wins"], row["p"], row["average"]) == ("2/2", None, pytest.approx(0.5))


def test_a_time_that_is_not_known_comes_back_as_such(tmp_path):
    for run in (a_run("cca", 5, 0.25), a_run("cca", 6, 0.25, seconds=None)):
        kept(tmp_path / "some.csv").keep([run], parts=PARTS)
    records, _ = kept(tmp_path / "some.csv").records(range(5, 7))
    assert [own.facts["processor_seconds"] for own in records] == [1.5, None]


@pytest.mark.parametrize("change", ["data", "protocol", "search space"])
def test_figures_of_other_data_protocol_or_settings_do_not_count(tmp_path, monkeypatch, change):
    file = tmp_path / "some.csv"
    kept(file).keep([a_run("cca", 5, 0.25), a_run("pls", 5, 0.25)], parts=PARTS)
    assert kept(file).has("cca", 5)
    if change == "search space":
        monkeypatch.setattr(CCA, "search_space", {"ridge": (1.0,)})
        now = kept(file)
        assert now.has("pls", 5)
    else:
        now = kept(file, data="b" * 64) if change == "data" else kept(file, protocol=Protocol(normalize="block"))
        assert not now.has("pls", 5)
    assert not now.has("cca", 5)
    now.keep([a_run("cca", 6, 0.5)], parts=PARTS)
    assert [own.facts["split"] for own in kept(file, **_facts(change)).records(range(5, 7))[0]] == (
        [5] if change == "search space" else []
    )


def _facts(change: str) -> dict[str, object]:
    if change == "data":
        return {"data": "b" * 64}
    return {"protocol": Protocol(normalize="block")} if change == "protocol" else {}


def test_the_table_is_over_the_class_splits_that_leave_it_the_most_runs(tmp_path):
    figures = kept(tmp_path / "some.csv")
    for method, splits in {"cca": 3, "masln": 3, "pls": 3, "kcca": 1}.items():
        figures.keep([a_run(method, split, 0.5) for split in range(splits)], parts=PARTS)
    figures.keep([a_run("sae", 1, 0.5)], parts=PARTS)  # not from the first on
    records, partial = figures.records(range(10))
    assert {(own.method, own.facts["split"]) for own in records} == {
        (method, split) for method in ("cca", "masln", "pls") for split in range(3)
    }
    assert partial == {"kcca": 1, "sae": 0}
    records, partial = figures.records(range(10), methods=("cca", "kcca"))
    assert {(own.method, own.facts["split"]) for own in records} == {("cca", split) for split in range(3)}
    assert partial == {"kcca": 1}


def test_methods_with_fewer_class_splits_stand_beside_others_on_theirs(tmp_path):
    figures = kept(tmp_path / "some.csv")
    for method, splits in {"cca": 3, "masln": 3, "pls": 3, "kcca": 2, "jfse": 1}.items():
        figures.keep([a_run(method, split, 0.25 * split) for split in range(splits)], parts=PARTS)
    tables = tables_of(figures, PROTOCOL, range(10))
    splits = {kind: table and (table["splits"], table["partial"]) for kind, table in tables.items()}
    assert splits == {"tables": (3, {"jfse": 1, "kcca": 2}), "fewer": (2, {"jfse": 1}), "masln": (3, {})}
    averages = {row["method"]: row["average"] for row in tables["fewer"]["rows"] if row["part"] == "unseen"}
    assert averages == dict.fromkeys(("cca", "masln", "kcca"), 0.125)
    for split in range(2, 10):
        figures.keep([a_run("kcca", split, 0.25), a_run("jfse", split - 1, 0.25)], parts=PARTS)
    figures.keep([a_run("jfse", 9, 0.25)], parts=PARTS)
    assert tables_of(figures, PROTOCOL, range(3))["fewer"] is None


def test_a_run_that_re_ranked_is_two_rows_of_one_method(tmp_path):
    label = "attentionmatching, top 50 re-ranked"
    figures = kept(tmp_path / "some.csv")
    figures.keep([a_run("attentionmatching", 0, 0.5), a_run(label, 0, 0.75)], parts=PARTS)
    assert figures.has("attentionmatching", 0)
    assert [own.method for own in figures.records(range(1))[0]] == ["attentionmatching", label]


def test_a_method_stands_with_the_seeds_that_it_has_on_every_class_split(tmp_path):
    figures = kept(tmp_path / "some.csv")
    for split, seeds in ((0, 3), (1, 2)):
        figures.keep([a_run("masln", split, 0.25 * (1 + seed), seed) for seed in range(seeds)], parts=PARTS)
        figures.keep([a_run("cca", split, 0.5)], parts=PARTS)
    assert figures.has("masln", 0, seed=2)
    assert not figures.has("masln", 1, seed=2)
    records, _ = figures.records(range(2))
    assert sorted((own.method, own.facts["split"], own.facts["seed"]) for own in records) == [
        ("cca", 0, 0),
        ("cca", 1, 0),
        *(("masln", split, seed) for split in range(2) for seed in range(2)),
    ]
    row = next(row for row in summary_rows(records, baseline="cca") if row["method"] == "masln")
    assert (row["runs"], row["average"]) == (4, pytest.approx(0.375))


def test_several_that_keep_runs_at_once_lose_none(tmp_path):
    def keep(method: str) -> None:
        figures = kept(tmp_path / "some.csv")
        for split in range(8):
            figures.keep([a_run(method, split, 0.5)], parts=PARTS)

    methods = ("cca", "pls", "masln", "sae")
    with ThreadPoolExecutor(len(methods)) as pool:
        list(pool.map(keep, methods))
    assert all(kept(tmp_path / "some.csv").has(method, split) for method in methods for split in range(8))
