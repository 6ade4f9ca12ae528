"""A budget of configurations, whole: what is tried, what is read, what is kept, and how it goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import json

import numpy as np
import pytest

from masln.data import ClassSplit, PairedDataset, load_dataset
from masln.errors import MissingExtraError
from masln.evaluation import Protocol
from masln.experiments import Selection, fit_selected, rows_with_cost, run_experiment
from masln.experiments.tried import TriedCandidates
from masln.models import MASLN, Method, method_resolver
from masln.nn import canonical
from masln.reporting import comparison_cells, print_experiment
from masln.training import Runtime, TrainingInterruptedError
from tests.experiments.small import TINY, small_config, write_small_bundle
from tests.experiments.test_run_experiment import tables

CPU = Runtime(device="cpu")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_small_bundle(tmp_path_factory.mktemp("data") / "bundle")


@pytest.fixture(scope="module")
def dataset(bundle) -> PairedDataset:
    return load_dataset(bundle)


def class_split_of(dataset: PairedDataset, number: int = 0) -> ClassSplit:
    """With two validation classes: one alone cannot tell candidates apart."""
    return small_config("", validation_share=0.5).make_split(dataset.class_names, number)


def selected(dataset: PairedDataset, method: str = "cca", **options) -> tuple[Method, Selection]:
    values = {"n_components": 4} if method == "cca" else TINY
    class_split = class_split_of(dataset, options.pop("number", 0))
    return fit_selected(method, values, dataset, class_split, protocol=Protocol(), runtime=CPU, **{"seed": 0} | options)


def searched(selection: Selection) -> list[str]:
    return [str({k: v for k, v in c.items() if k != "validation_map"}) for c in selection.candidates]


@pytest.mark.parametrize("search", ["random", "tpe"])
@pytest.mark.parametrize("method", ["cca", "masln"])
def test_a_search_never_reads_unseen_classes_and_test_pairs(dataset, method, search):
    """Everything it may not read is not a number: one look would show in a score or a code, or be refused."""
    split = class_split_of(dataset)
    hidden = np.isin(dataset.labels, split.unseen) | (dataset.split == "test")
    spoil = lambda values: np.where(hidden[:, None], np.nan, values).astype(np.float32)  # noqa: E731
    vectors = np.array(dataset.class_embeddings)
    vectors[list(split.unseen)] = np.nan
    spoilt = dataclasses.replace(
        dataset,
        image=spoil(dataset.image),
        text=spoil(dataset.text),
        class_embeddings=vectors,
        labels=np.where(dataset.split == "test", split.unseen[0], dataset.labels),
    )
    (clean, first), (blind, second) = (selected(pairs, method, budget=5, search=search) for pairs in (dataset, spoilt))
    assert first == second and len(first.candidates) == 5
    for one, other in zip(
        *((m.encode_image(dataset.image), m.encode_text(dataset.text)) for m in (clean, blind)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_budget_of_the_whole_space_gives_what_the_grid_gives(dataset):
    grid, drawn = (selected(dataset, budget=budget)[1] for budget in (0, 20))
    assert grid == drawn and len(grid.candidates) == 20


@pytest.mark.parametrize("search", ["random", "tpe"])
def test_equal_seeds_and_class_splits_give_equal_candidates_and_others_do_not(dataset, search):
    first, again, seed, split = (
        searched(selected(dataset, "masln", budget=6, search=search, **options)[1])
        for options in ({}, {}, {"seed": 1}, {"number": 1})
    )
    assert first == again and first != seed != split != first
    defaults = {key: values[0] for key, values in (MASLN.search_space | MASLN.budget_space).items()}
    assert first[0] == seed[0] == split[0] == str(defaults)


def test_the_candidates_of_a_method_without_a_seed_do_not_depend_on_one(dataset):
    first, other = (searched(selected(dataset, budget=6, seed=seed)[1]) for seed in (0, 1))
    assert first == other


def test_every_method_has_the_budget_and_the_table_says_what_it_tried(bundle, tmp_path, capsys):
    config = small_config(bundle, budget=4, splits=1)
    experiment = run_experiment(config, tmp_path / "run")
    tried = {r.method: len(r.facts["candidates"]) for r in experiment.records}
    assert tried == {"masln": 4, "cca": 4, "chance": 0}
    assert "budget: 4\n" in (tmp_path / "run/config.yaml").read_text()
    assert set(experiment.records[0].facts["candidates"][0]) > set(MASLN.search_space | MASLN.budget_space)
    rows = rows_with_cost(experiment.records, baseline="cca")
    assert {row["method"]: comparison_cells(row)["tried"] for row in rows} == {"masln": 4, "cca": 4, "chance": 1}
    print_experiment(experiment)
    assert "a budget of 4 configurations a method (random search)" in capsys.readouterr().out
    print_experiment(experiment, as_json=True)
    value = json.loads(capsys.readouterr().out)
    assert (value["budget"], value["search"]) == (4, "random")


@pytest.mark.parametrize("search", ["random", "tpe"])
@pytest.mark.parametrize("method", ["cca", "masln"])
def test_a_search_that_is_interrupted_goes_on_where_it_stopped(bundle, tmp_path, monkeypatch, method, search):
    values = {"n_components": 4} if method == "cca" else TINY
    config = small_config(
        bundle, method=method, hyperparameters=values, budget=14, search=search, splits=1, baselines=[]
    )
    run_experiment(config, tmp_path / "straight")
    cls = method_resolver.lookup(method)
    fit, begun = cls.fit, []

    def watched(self, *arguments, **options):
        begun.append(options["runtime"].checkpoint.name)
        if len(begun) == 12:
            raise TrainingInterruptedError("interrupted")
        return fit(self, *arguments, **options)

    monkeypatch.setattr(cls, "fit", watched)
    with pytest.raises(TrainingInterruptedError):
        run_experiment(config, tmp_path / "stopped")
    run_experiment(config, tmp_path / "stopped", resume=True)
    names = [f"checkpoint-candidate{number}.pt" for number in range(14)]
    assert begun == [*names[:12], *names[11:], "checkpoint.pt"], "a finished candidate was fitted again"
    assert tables(tmp_path / "stopped") == tables(tmp_path / "straight")
    one, other = (tmp_path / run / method / "split0-seed0" for run in ("straight", "stopped"))
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in other.iterdir())
    one, other = (json.loads((folder / "metrics.json").read_text())["candidates"] for folder in (one, other))
    assert one == other and len(one) == 14


@pytest.mark.parametrize("content", ["{}", "nonsense", '{"fingerprint": "another", "candidates": [{"a": 1}]}', "[]"])
def test_kept_candidates_of_another_selection_or_damaged_ones_are_tried_again(tmp_path, content):
    (tmp_path / "checkpoint-candidates.json").write_text(content)
    runtime = Runtime(checkpoint=tmp_path / "checkpoint.pt", resume=True)
    tried = TriedCandidates(runtime, "this one")
    assert tried.found({"a": 1}) is None
    tried.add({"a": 1, "hidden": (3,), "validation_map": 0.1})
    kept = TriedCandidates(runtime, "this one")
    assert kept.found({"a": 2, "hidden": (3,)}) is None
    assert kept.found({"a": 1, "hidden": (3,)}) == {"validation_map": 0.1}
    assert TriedCandidates(dataclasses.replace(runtime, resume=False), "this one").found({"a": 1}) is None


def test_a_missing_optuna_is_found_before_anything_is_written(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("masln.experiments.search.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError):
        run_experiment(small_config(bundle, budget=2, search="tpe"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_every_value_declared_for_a_budget_is_one_that_the_method_takes(dataset):
    for name, cls in method_resolver.lookup_dict.items():
        for key, values in cls.budget_space.items():
            for value in values:
                method = cls(**{key: value})
                method.check(dataset)
                assert method.get_params()[key] == value, name


def test_what_configurations_have_in_common_is_worked_out_once(dataset, monkeypatch):
    """The row space of a modality belongs to its scaling alone: four scalings and the final fit, of 20 and one."""
    spaces = []
    real = canonical.row_space
    monkeypatch.setattr(canonical, "row_space", lambda X: spaces.append(X) or real(X))
    _, shared = selected(dataset)
    assert len(shared.candidates) == 20 and len(spaces) == 2 * (4 + 1)
    monkeypatch.setattr("masln.experiments.selection.remembering", contextlib.nullcontext)
    _, alone = selected(dataset)
    assert alone == shared and len(spaces) == 2 * (4 + 1) + 2 * (20 + 1)
