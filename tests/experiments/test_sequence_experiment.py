"""A bundle of image regions and text tokens, through the whole house; and the figures of caption retrieval."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from masln.data import PairedDataset, load_dataset, write_bundle
from masln.errors import DataError
from masln.evaluation import Protocol
from masln.experiments import (
    RunDirectory,
    evaluate_experiment,
    read_experiment,
    rows_with_cost,
    run_experiment,
    summary_rows,
)
from masln.experiments.selection import validation_score
from masln.models import load_method, method_resolver
from masln.reporting import draw_plots, print_comparison, print_experiment
from tests.conftest import make_sequences
from tests.evaluation import naive
from tests.experiments.small import small_config, table_of
from tests.models.pooled import Pooled

INSTANCE = {"relevance": "instance", "setting": "standard", "cutoffs": [1, 5, 10]}


def captioned() -> PairedDataset:
    """Three captions a picture, the pictures of one split."""
    pairs = make_sequences(classes=4, per_class=24)
    picture = np.arange(len(pairs)) // 3
    image = pairs.image[picture * 3]
    return dataclasses.replace(
        pairs,
        image=image,
        image_paths=np.array([f"{number}.jpg" for number in picture]),
        split=np.where(picture % 2, "test", "train"),
    )


@pytest.fixture
def bundle(tmp_path, monkeypatch) -> Path:
    monkeypatch.setitem(method_resolver.lookup_dict, "pooled", Pooled)
    return write_bundle(tmp_path / "b", captioned(), licence="CC0", source="drawn", recipe={})


def config(bundle: Path, **values):
    return small_config(
        bundle, **{"method": "pooled", "hyperparameters": {}, "baselines": ["chance"], "splits": 1} | values
    )


def test_sequences_go_from_a_bundle_to_a_table(bundle, tmp_path):
    done = run_experiment(config(bundle), tmp_path / "run")
    rows = summary_rows(done.records)
    assert {(row["part"], row["method"]) for row in rows} >= {("unseen", "pooled"), ("unseen", "chance")}
    assert all(np.isfinite(row["average"]) and "R@1" not in row for row in rows)
    assert summary_rows(evaluate_experiment(tmp_path / "run").records) == rows
    assert draw_plots(tmp_path / "run")


def test_a_method_of_global_features_refuses_them_before_anything_is_written(bundle, tmp_path):
    with pytest.raises(DataError, match=r"CCA takes global features \(n, d\), but synthetic has image .*pool"):
        run_experiment(config(bundle, baselines=["cca"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_instance_figures_are_those_of_a_plain_loop(bundle, tmp_path, capsys):
    done = run_experiment(config(bundle, protocol=INSTANCE), tmp_path / "run")
    dataset = load_dataset(str(bundle))
    method = load_method(RunDirectory(tmp_path / "run/pooled/split0-seed0").model)
    test = np.flatnonzero(dataset.split == "test")
    first, picture = test[::3], np.arange(len(dataset)) // 3
    image = method.encode_image(dataset.image[first])
    text = method.encode_text(dataset.text[test], dataset.text_mask[test])
    ranks = {}
    for direction, queries, gallery, own, theirs in (
        ("i2t", image, text, picture[first], picture[test]),
        ("t2i", text, image, picture[test], picture[first]),
    ):
        scores = naive.similarities(queries, gallery, "cosine")
        ranks[direction] = np.array([naive.relevant_ranks(s, theirs == p)[0] for s, p in zip(scores, own, strict=True)])
    (row,) = [row for row in rows_with_cost(done.records, baseline=None) if row["method"] == "pooled"]
    for k in (1, 5, 10):
        expected = {direction: float((r <= k).mean()) for direction, r in ranks.items()}
        assert row[f"R@{k}"] == pytest.approx(expected | {"average": np.mean(list(expected.values()))})
    assert row["median_rank"] == pytest.approx(
        {d: np.median(r) for d, r in ranks.items()} | {"average": np.mean([np.median(r) for r in ranks.values()])}
    )
    per_query = read_experiment(tmp_path / "run").records[0].per_query
    found = per_query[per_query["direction"] == "t2i"]
    assert sorted(found["first_rank"]) == sorted(ranks["t2i"]) and found["picture"].nunique() == len(first)
    by_picture = read_experiment(tmp_path / "run").records[0].average_precision("all")
    assert len(by_picture) == len(first) and by_picture.mean() == pytest.approx(row["average"])
    print_comparison([table_of(done)])
    shown = capsys.readouterr().out
    assert f"{row['R@5']['i2t']:.3f} / {row['R@5']['t2i']:.3f}" in shown and "median rank" in shown
    print_experiment(done)
    assert "each picture being searched for and among once" in " ".join(capsys.readouterr().out.split())
    print_comparison([table_of(done)], as_json=True)
    assert row["R@1"] in [r["R@1"] for r in json.loads(capsys.readouterr().out)["tables"][0]["rows"]]


def test_validation_pairs_are_relevant_as_those_of_the_test_will_be():
    pairs = captioned()
    codes = np.eye(pairs.pictures.max() + 1)[pairs.pictures]  # each picture's own, the same for all of its captions
    score = validation_score(Protocol(**INSTANCE), pairs)
    assert score(codes, codes, pairs.labels) == 1.0
    assert validation_score(Protocol(), pairs)(codes, codes, pairs.labels) < 0.9


def test_a_harmonic_mean_has_no_instance_figures(bundle, tmp_path, capsys):
    done = run_experiment(config(bundle, protocol=INSTANCE | {"setting": "generalized"}), tmp_path / "run")
    rows = {row["part"]: row for row in summary_rows(done.records)}
    harmonic, others = rows.pop("harmonic"), rows.values()
    assert harmonic["R@1"] is harmonic["median_rank"] is None and all(row["R@1"]["i2t"] >= 0 for row in others)
    print_experiment(done)
    assert "harmonic" in capsys.readouterr().out
