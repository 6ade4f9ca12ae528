from __future__ import annotations

import itertools
from typing import Any

import pytest

import masln.experiments.search as search_module
from masln.errors import ConfigError, MissingExtraError
from masln.experiments.search import (
    check_search,
    number_tried,
    require_search,
    search_space_of,
    try_configurations,
)
from masln.models import make_method

SPACE: dict[str, tuple[Any, ...]] = {"a": (0, 1, 2, 3, 4, 5), "b": ((512,), ()), "c": ("x", "y", "z", "w", "v")}
WHOLE = [dict(zip(SPACE, values, strict=True)) for values in itertools.product(*SPACE.values())]


def peak(values: dict[str, Any]) -> float:
    """Best at the far corner, with a slope that leads there."""
    return values["a"] + 2 * (values["b"] == ()) + "xyzwv".index(values["c"])


def tried(score=peak, *, space=SPACE, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def attempt(values: dict[str, Any]) -> float:
        found.append(values)
        return score(values)

    try_configurations(space, attempt, **options)
    return found


@pytest.mark.parametrize("search", ["random", "tpe"])
@pytest.mark.parametrize("budget", [0, 60, 1000])
def test_a_space_within_the_budget_is_tried_whole_in_its_order(search, budget):
    assert tried(budget=budget, search=search) == WHOLE
    assert number_tried(SPACE, budget) == 60
    assert tried(space={}, budget=budget, search=search, score=lambda values: 0.0) == [{}]


@pytest.mark.parametrize("search", ["random", "tpe"])
@pytest.mark.parametrize("budget", [1, 2, 17, 59])
def test_a_budget_is_spent_on_different_configurations_the_default_first(search, budget):
    found = tried(budget=budget, search=search, seed=(3,))
    assert len(found) == budget == number_tried(SPACE, budget)
    assert found[0] == WHOLE[0]
    assert len({str(values) for values in found}) == budget and all(values in WHOLE for values in found)


@pytest.mark.parametrize("search", ["random", "tpe"])
def test_a_seed_gives_the_same_configurations_and_another_one_others(search):
    first, again, other = (tried(budget=20, search=search, seed=seed) for seed in ((7, 1), (7, 1), (7, 2)))
    assert first == again != other


def test_tpe_is_guided_by_the_scores_and_random_is_not():
    assert tried(budget=30) == tried(lambda values: -peak(values), budget=30)
    guided = tried(budget=30, search="tpe")
    assert guided != tried(lambda values: -peak(values), budget=30, search="tpe")
    late = [sum(map(peak, found[15:])) for found in (guided, tried(budget=30))]
    assert late[0] > late[1], "half of the budget later it looks where scores are high"


def test_a_search_that_has_settled_spends_the_rest_of_its_budget_by_drawing(monkeypatch):
    monkeypatch.setattr(search_module, "_MOST_REPEATS", 0)
    found = tried(budget=50, search="tpe")
    assert len({str(values) for values in found}) == 50


def test_what_is_fixed_is_not_searched_and_only_a_budget_widens_the_space():
    method = make_method("masln")
    assert search_space_of(method, {}, budget=0) == method.search_space
    assert search_space_of(method, {}, budget=5) == method.search_space | method.budget_space != method.search_space
    assert "correlation" not in search_space_of(method, {"correlation": 0.0}, budget=5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"search": "bayes", "budget": 1}, "unknown search 'bayes'; known: random, tpe"),
        ({"search": "random", "budget": -1}, "budget must not be negative, got -1"),
        ({"search": "tpe", "budget": 0}, "search tpe needs a budget"),
        ({"search": "random", "budget": 3, "select": False}, "leave it out, or --no-select"),
    ],
)
def test_choices_that_do_not_go_together_are_refused(values, message):
    with pytest.raises(ConfigError, match=message) as caught:
        check_search(**{"select": True} | values)
    assert "\n" not in str(caught.value)


def test_without_optuna_the_extra_is_named(monkeypatch):
    require_search("tpe")
    monkeypatch.setattr(search_module, "find_spec", lambda name: None)
    require_search("random")
    with pytest.raises(MissingExtraError, match=r"--search tpe needs optuna, .*: pip install 'masln\[hpo\]'"):
        require_search("tpe")
