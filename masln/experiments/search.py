"""Which configurations of a search space are tried: all of them, or as many as a budget says, drawn or guided."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from masln.errors import ConfigError, MissingExtraError, unknown_name
from masln.models import Method

__all__ = ["SEARCHES", "check_search", "number_tried", "require_search", "search_space_of", "try_configurations"]

SEARCHES = ("random", "tpe")
_MOST_REPEATS = 50  # of configurations that were tried already, one after the other, by TPE; ours

Space = Mapping[str, Sequence[Any]]


def check_search(search: str, *, budget: int, select: bool) -> None:
    """Refuse choices that do not go together.

    Raises:
        ConfigError: an unknown search, a negative budget, or one of a choice that is not made.
    """
    if search not in SEARCHES:
        raise ConfigError(unknown_name("search", search, SEARCHES))
    if budget < 0:
        raise ConfigError(f"budget must not be negative, got {budget}; 0 tries all of the plain search space")
    if budget and not select:
        raise ConfigError("a budget is of the choice on validation classes: leave it out, or --no-select")
    if search == "tpe" and not budget:
        raise ConfigError("search tpe needs a budget: say by --budget how many configurations it may try")


def require_search(search: str) -> None:
    """Find before anything runs whether what a search needs is installed.

    Raises:
        MissingExtraError: optuna is not.
    """
    if search == "tpe" and find_spec("optuna") is None:
        raise MissingExtraError("optuna", "hpo", "--search tpe")


def search_space_of(method: Method, fixed: Mapping[str, Any], *, budget: int) -> dict[str, tuple[Any, ...]]:
    """The values that may be tried, the default of each first.

    Args:
        method: Whose space.
        fixed: Hyper-parameters that are not searched.
        budget: 0: the plain search space, which is tried whole; else with what the method declares for a budget.
    """
    space = method.search_space | (method.budget_space if budget else {})
    return {key: values for key, values in space.items() if key not in fixed}


def number_tried(space: Space, budget: int) -> int:
    """How many configurations of a space a budget tries; 0 is no limit."""
    size = math.prod(map(len, space.values()))
    return min(size, budget) if budget else size


def try_configurations(
    space: Space,
    attempt: Callable[[dict[str, Any]], float],
    *,
    budget: int = 0,
    search: str = "random",
    seed: Sequence[int] = (0,),
) -> None:
    """Try configurations one after the other, none twice, that of all defaults first.

    A space that is no larger than the budget is tried whole, in the order of its values. Of a larger one ``random``
    draws without replacement, and ``tpe`` asks optuna's tree-structured Parzen estimator, which is told every score
    (Bergstra et al., NeurIPS 2011).

    Args:
        space: Values of each hyper-parameter, the default first.
        attempt: Given the values of a configuration; returns its score, higher is better.
        budget: Configurations tried at the most; 0 is no limit.
        search: One of ``SEARCHES``.
        seed: Of what is drawn; equal ones give equal configurations, for ``tpe`` where the scores are equal too.
    """
    shape = tuple(map(len, space.values()))
    count, size = number_tried(space, budget), math.prod(shape)

    def run(number: int) -> float:
        places = np.unravel_index(number, shape)
        return attempt({key: values[int(place)] for (key, values), place in zip(space.items(), places, strict=True)})

    if count == size:
        order: Iterator[int] = iter(range(size))
    else:
        order = _drawn(size, count, seed)
    if count == size or search == "random":
        for number in order:
            run(number)
    else:
        _guided(shape, run, order, count=count, seed=seed)


def _drawn(size: int, count: int, seed: Sequence[int]) -> Iterator[int]:
    yield 0
    yield from (1 + np.random.default_rng(seed).choice(size - 1, count - 1, replace=False)).tolist()


def _guided(
    shape: tuple[int, ...], run: Callable[[int], float], order: Iterator[int], *, count: int, seed: Sequence[int]
) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=int(np.random.default_rng(seed).integers(2**32)))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    # Places of values rather than the values: optuna keeps no tuples.
    ranges = {str(axis): list(range(length)) for axis, length in enumerate(shape)}
    scores: dict[int, float] = {}
    study.enqueue_trial(dict.fromkeys(ranges, 0))
    repeats = 0
    while len(scores) < count:
        trial = study.ask()
        places = tuple(trial.suggest_categorical(axis, values) for axis, values in ranges.items())
        number = int(np.ravel_multi_index(places, shape))
        repeats = repeats + 1 if number in scores else 0
        if not repeats:
            scores[number] = run(number)
        study.tell(trial, scores[number])
        if repeats > _MOST_REPEATS:  # it has settled: what is left of the budget is drawn
            other = next(drawn for drawn in order if drawn not in scores)
            study.enqueue_trial(dict(zip(ranges, map(int, np.unravel_index(other, shape)), strict=True)))
