"""The table against records made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from masln.evaluation import bootstrap_interval, holm, paired_permutation_test, paired_t_test
from masln.experiments import RunRecord, summary_rows

RNG = np.random.default_rng(0)


def record(method: str, split: int, seed: int, values: dict[str, np.ndarray]) -> RunRecord:
    parts, tables = {}, []
    for part, ap in values.items():
        i2t, t2i = ap - 0.05, ap + 0.05
        parts[part] = {
            "i2t": {"metrics": {"mAP": float(i2t.mean())}},
            "t2i": {"metrics": {"mAP": float(t2i.mean())}},
            "average": {"metrics": {"mAP": float(ap.mean())}},
        }
        for direction, column in (("i2t", i2t), ("t2i", t2i)):
            rows = np.arange(len(ap))[::-1]  # the order on file is not that of the rows
            tables.append(
                pd.DataFrame({"part": part, "direction": direction, "row": rows, "average_precision": column[rows]})
            )
    return RunRecord({"method": method, "split": split, "seed": seed}, parts, pd.concat(tables))


def draw(mean: float, n: int = 40) -> np.ndarray:
    return np.clip(RNG.normal(mean, 0.1, n), 0.1, 0.9)


def test_one_run_has_the_bootstrap_interval_over_its_queries():
    ap = draw(0.5)
    (row,) = summary_rows([record("masln", 0, 0, {"unseen": ap})])
    interval = bootstrap_interval(ap)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert (row["interval"], row["runs"], row["p"], row["wins"]) == ("queries", 1, None, None)
    assert row["average"] == pytest.approx(ap.mean())
    assert row["t2i"] - row["i2t"] == pytest.approx(0.1)


def test_several_splits_have_a_student_interval_with_seeds_averaged_within_each():
    values = {(split, seed): draw(0.4 + 0.05 * split) for split in range(3) for seed in range(2)}
    (row,) = summary_rows([record("masln", *key, {"unseen": ap}) for key, ap in values.items()])
    means = [np.mean([values[split, seed].mean() for seed in range(2)]) for split in range(3)]
    low, high = stats.t.interval(0.95, 2, loc=np.mean(means), scale=stats.sem(means))
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    assert (row["interval"], row["runs"]) == ("splits", 6)
    assert row["average"] == pytest.approx(np.mean(means))


def test_several_seeds_on_one_split_have_a_student_interval_over_seeds():
    values = [draw(0.5) for _ in range(4)]
    (row,) = summary_rows([record("masln", 0, seed, {"unseen": ap}) for seed, ap in enumerate(values)])
    means = [ap.mean() for ap in values]
    assert (row["low"], row["high"]) == pytest.approx(stats.t.interval(0.95, 3, np.mean(means), stats.sem(means)))
    assert row["interval"] == "seeds"


def test_p_values_are_paired_over_queries_pooled_over_splits_and_corrected_over_the_table():
    ours = {split: {"unseen": draw(0.55), "seen": draw(0.52)} for split in range(2)}
    base = {split: {"unseen": draw(0.45), "seen": draw(0.5)} for split in range(2)}
    third = {split: {"unseen": draw(0.5), "seen": draw(0.5)} for split in range(2)}
    records = [
        record(name, split, 0, values[split])
        for name, values in (("masln", ours), ("cca", base), ("chance", third))
        for split in range(2)
    ]
    rows = {(row["part"], row["method"]): row for row in summary_rows(records, baseline="cca")}
    raw = {
        (part, name): paired_permutation_test(
            np.concatenate([values[s][part] for s in range(2)]), np.concatenate([base[s][part] for s in range(2)])
        )
        for part in ("unseen", "seen")
        for name, values in (("masln", ours), ("chance", third))
    }
    for key, p in zip(raw, holm(list(raw.values())), strict=True):
        assert rows[key]["p"] == pytest.approx(p)
    means = {
        (part, name): paired_t_test(*([v[s][part].mean() for s in range(2)] for v in (values, base)))
        for part in ("unseen", "seen")
        for name, values in (("masln", ours), ("chance", third))
    }
    for key, p in zip(means, holm(list(means.values())), strict=True):
        assert rows[key]["p_splits"] == pytest.approx(p)
    assert (
        rows["unseen", "cca"]["p"] is None
        and rows["unseen", "cca"]["p_splits"] is None
        and rows["unseen", "cca"]["wins"] is None
    )
    won = sum(ours[s]["unseen"].mean() > base[s]["unseen"].mean() for s in range(2))
    assert rows["unseen", "masln"]["wins"] == f"{won}/2"


def test_seeds_are_averaged_before_the_comparison():
    base = draw(0.5)
    up, down = base + 0.2, base - 0.2
    noise = RNG.normal(0, 1e-3, len(base))
    records = [record("masln", 0, 0, {"unseen": up}), record("masln", 0, 1, {"unseen": down + noise})]
    rows = summary_rows([*records, record("cca", 0, 0, {"unseen": base})], baseline="cca")
    assert rows[0]["p"] == pytest.approx(paired_permutation_test(base + noise / 2, base), abs=0.02)
    assert rows[0]["p"] > 0.01
    assert rows[0]["p_splits"] is None, "one class split says nothing of others"


def test_copies_of_a_method_that_differ_by_the_luck_of_each_run_do_not_differ_over_splits():
    luck = iter(RNG.normal(0, 0.02, 12))
    queries = [draw(0.5, 400) for _ in range(6)]
    records = [
        record(name, split, 0, {"unseen": ap + next(luck)})
        for split, ap in enumerate(queries)
        for name in ("masln", "cca")
    ]
    row = summary_rows(records, baseline="cca")[0]
    assert row["p"] < 0.01 < 0.05 < row["p_splits"]


def test_a_harmonic_mean_has_no_interval_of_queries_and_no_p():
    ap = draw(0.5)
    first = record("masln", 0, 0, {"unseen": ap})
    harmonic = {d: {"mAP": 0.4} for d in ("i2t", "t2i", "average")}
    one = RunRecord(first.facts, {**first.parts, "harmonic": harmonic}, first.per_query)
    other = RunRecord({**first.facts, "method": "cca"}, one.parts, first.per_query)
    rows = {(row["part"], row["method"]): row for row in summary_rows([one, other], baseline="cca")}
    row = rows["harmonic", "masln"]
    assert (row["average"], row["low"], row["interval"], row["p"], row["wins"]) == (0.4, None, None, None, "0/1")
    assert rows["unseen", "masln"]["p"] == 1.0


def test_a_baseline_that_did_not_run_is_passed_over():
    (row,) = summary_rows([record("masln", 0, 0, {"unseen": draw(0.5)})], baseline="cca")
    assert row["p"] is None


def test_records_without_queries_have_the_same_figures_but_no_test_over_queries():
    whole = [record(name, split, 0, {"unseen": draw(0.5)}) for name in ("masln", "cca") for split in range(3)]
    bare = [RunRecord(own.facts, own.parts) for own in whole]
    for with_queries, without in zip(
        summary_rows(whole, baseline="cca"), summary_rows(bare, baseline="cca"), strict=True
    ):
        assert without == {**with_queries, "p": None}
    (row,) = summary_rows(bare[:1])
    assert (row["low"], row["high"], row["interval"]) == (None, None, None)
