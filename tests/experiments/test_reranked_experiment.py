"""A method with a joint score through an experiment: figures of its codes, and figures after it has re-ranked."""

from __future__ import annotations

import json

import numpy as np
import pytest

from masln.data import load_dataset, write_bundle
from masln.errors import ConfigError
from masln.experiments import (
    RunConfig,
    RunDirectory,
    evaluate_experiment,
    read_experiment,
    rows_with_cost,
    run_experiment,
    summary_rows,
)
from masln.models import load_method
from masln.reporting import draw_plots, print_comparison
from tests.evaluation import naive
from tests.evaluation.test_rerank import naive_order, naive_rerank
from tests.experiments.small import small_config, table_of
from tests.experiments.test_sequence_experiment import INSTANCE, captioned

TINY = {"epochs": 1, "batch_size": 24, "code_width": 6, "heads": 2}
AGAIN = "attentionmatching, top 5 re-ranked"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "b"
    return write_bundle(folder, captioned(), licence="CC0", source="drawn", recipe={})


def config(bundle, **values):
    plain = {"method": "attentionmatching", "hyperparameters": TINY, "baselines": ["chance"], "splits": 1, "rerank": 5}
    return small_config(bundle, **plain | values)


def test_both_figures_stand_in_every_part_and_come_back_from_disk(bundle, tmp_path, capsys):
    done = run_experiment(config(bundle, splits=2), tmp_path / "run")
    rows = summary_rows(done.records, baseline="chance")
    parts = {row["part"] for row in rows}
    assert parts == {"unseen", "seen", "generalized unseen", "generalized seen", "harmonic"}
    assert {(row["part"], row["method"]) for row in rows} == {
        (part, method) for part in parts for method in ("attentionmatching", AGAIN, "chance")
    }
    tested = [row for row in rows if row["method"] == AGAIN and row["part"] != "harmonic"]
    assert all(0 < row["p"] <= 1 and row["wins"] for row in tested)
    for again in (read_experiment(tmp_path / "run"), evaluate_experiment(tmp_path / "run")):
        assert summary_rows(again.records, baseline="chance") == rows
    assert run_experiment(done.config, tmp_path / "run", resume=True).records[1].method == AGAIN
    print_comparison([table_of(done)])
    assert AGAIN in " ".join(capsys.readouterr().out.split())
    assert draw_plots(tmp_path / "run")
    stored = json.loads((tmp_path / "run/attentionmatching/split0-seed0/metrics.json").read_text())
    assert stored["rerank"] == 5 and "reranked harmonic" in stored["parts"]


def test_reranked_figures_are_those_of_a_plain_loop(bundle, tmp_path):
    done = run_experiment(config(bundle, protocol=INSTANCE, baselines=[]), tmp_path / "run")
    data = load_dataset(str(bundle))
    method = load_method(RunDirectory(tmp_path / "run/attentionmatching/split0-seed0").model)
    test = np.flatnonzero(data.split == "test")
    first, picture = test[::3], np.arange(len(data)) // 3
    codes = method.encode_image(data.image[first]), method.encode_text(data.text[test], data.text_mask[test])
    rows = {row["method"]: row for row in rows_with_cost(done.records, baseline=None)}
    for direction, queries, gallery in (("i2t", first, test), ("t2i", test, first)):
        scores = naive.similarities(*(codes if direction == "i2t" else codes[::-1]), "cosine")
        places = []
        for query, own in zip(queries, scores, strict=True):
            order = naive_order(own)
            items = gallery[order[:5]]
            pair = (np.full(5, query), items) if direction == "i2t" else (items, np.full(5, query))
            new = method.score(data.image, data.text, data.text_mask, image_rows=pair[0], text_rows=pair[1])
            found = gallery[naive_rerank(order, new.tolist())]
            places.append(1 + int(np.argmax(picture[found] == picture[query])))
        assert rows[AGAIN]["R@1"][direction] == pytest.approx(np.mean(np.array(places) == 1))
        assert rows[AGAIN]["median_rank"][direction] == np.median(places)
    assert rows[AGAIN]["R@5"] == rows["attentionmatching"]["R@5"], "what is among the first five stays there"
    assert rows[AGAIN]["average"] != rows["attentionmatching"]["average"]


def test_no_reranking_is_asked_for(bundle, tmp_path):
    done = run_experiment(config(bundle, rerank=0), tmp_path / "run")
    assert [record.method for record in done.records] == ["attentionmatching", "chance"]
    assert "rerank" not in done.records[0].facts and "unseen" in done.records[0].parts


def test_a_negative_number_is_refused():
    with pytest.raises(ConfigError, match="rerank must not be negative, got -1"):
        RunConfig(rerank=-1)
