"""Registered estimators: made by name, their hyper-parameters held against the defaults."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np
from class_resolver import ClassResolver
from sklearn.base import BaseEstimator

from masln.errors import ConfigError, unknown_name

__all__ = ["check_types", "make_registered", "plain_parameters"]

Registered = TypeVar("Registered", bound=BaseEstimator)
_KINDS: dict[type, tuple[type, ...]] = {
    bool: (bool, np.bool_),
    int: (Integral,),
    float: (Real,),
    str: (str, os.PathLike),
    tuple: (list, tuple),
}


def make_registered(
    resolver: ClassResolver[Registered],
    name: str,
    hyperparameters: Mapping[str, Any],
    *,
    kind: str,
    known: Iterable[str] | None = None,
) -> Registered:
    """Make an estimator by its registered name.

    Args:
        resolver: Where its class is registered.
        name: Its name; capitals, hyphens and underscores do not matter.
        hyperparameters: By name; the others keep their defaults.
        kind: What is made, for the messages.
        known: The names to offer for an unknown one; by default the resolver's own.

    Raises:
        ConfigError: the name or a hyper-parameter is unknown; the nearest known name is given.
    """
    try:
        cls: type[Registered] = resolver.lookup(name)
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigError(unknown_name(kind, name, known or resolver.lookup_dict)) from error
    parameters = cls._get_param_names()
    for key in hyperparameters:
        if key not in parameters:
            raise ConfigError(unknown_name(f"hyper-parameter of {name}", key, parameters))
    made: Registered = cls(**hyperparameters)
    return made


def check_types(estimator: BaseEstimator) -> None:
    """Hold each hyper-parameter against the type of its default; a default of None leaves the type open.

    Raises:
        ConfigError: naming the hyper-parameter, what it must be and what it is.
    """
    for name, default in type(estimator)().get_params().items():
        if default is None:
            continue
        value, kind = getattr(estimator, name), type(default)
        good = isinstance(value, _KINDS[kind]) and (kind is bool or not isinstance(value, bool))
        if kind is tuple:
            good = good and all(isinstance(item, Integral) and not isinstance(item, bool) for item in value)
        if not good:
            what = "a list of whole numbers" if kind is tuple else kind.__name__
            raise ConfigError(f"hyper-parameter {name} must be {what}, got {value!r}")


def plain_parameters(estimator: BaseEstimator) -> dict[str, Any]:
    """Hyper-parameters as JSON takes them: numpy scalars as numbers, paths as text."""
    return {key: _plain(value) for key, value in estimator.get_params().items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return os.fspath(value) if isinstance(value, os.PathLike) else value
