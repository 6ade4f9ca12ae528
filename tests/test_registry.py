"""Hyper-parameters are held against the types of their defaults."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from masln.errors import ConfigError
from masln.registry import check_types, plain_parameters


class Made(BaseEstimator):
    def __init__(self, *, count=1, rate=0.5, name="", flag=False, widths=(1, 2), anything=None):
        self.count, self.rate, self.name, self.flag = count, rate, name, flag
        self.widths, self.anything = widths, anything


@pytest.mark.parametrize(
    "good",
    [
        {"count": np.int64(3)},
        {"rate": 2},
        {"rate": np.float32(0.25)},
        {"name": Path("a") / "b"},
        {"flag": np.True_},
        {"widths": [3]},
        {"anything": "text"},
        {"anything": 7},
    ],
)
def test_what_is_of_the_kind_passes_and_becomes_json(good):
    made = Made(**good)
    check_types(made)
    (value,) = good.values()
    (key,) = good
    assert json.loads(json.dumps(plain_parameters(made)))[key] == (str(value) if isinstance(value, Path) else value)


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        ({"count": 1.0}, "int"),
        ({"count": True}, "int"),
        ({"rate": "1"}, "float"),
        ({"name": 3}, "str"),
        ({"flag": 1}, "bool"),
        ({"widths": 3}, "a list of whole numbers"),
        ({"widths": (1.5,)}, "a list of whole numbers"),
        ({"count": None}, "int"),
    ],
)
def test_what_is_not_is_refused_by_name(bad, kind):
    (key,) = bad
    with pytest.raises(ConfigError, match=f"hyper-parameter {key} must be {kind}, got"):
        check_types(Made(**bad))
