"""The logit scale: what it starts from, what stops it, and what it learns; codes of unit length."""

from __future__ import annotations

import pytest
import torch

from masln.errors import ConfigError
from masln.nn import LogitScale, UnitLength


@pytest.mark.parametrize("learned", [True, False])
def test_it_is_one_over_the_temperature_and_is_saved(learned):
    scale = LogitScale(0.07, learned=learned)
    assert float(scale().detach()) == pytest.approx(1 / 0.07)
    assert len(list(scale.parameters())) == learned and list(scale.state_dict()) == ["log_scale"]


def test_beyond_the_limit_it_is_cut_and_can_come_back():
    scale = LogitScale(0.01, learned=True)
    optimiser = torch.optim.SGD(scale.parameters(), lr=0.1)
    for direction, expected in ((-1, 100.0), (1, None)):
        for _ in range(3):
            optimiser.zero_grad()
            (direction * scale().log()).backward()
            optimiser.step()
        value = float(scale().detach())
        assert value == pytest.approx(expected) if expected else value < 100


@pytest.mark.parametrize(
    ("temperature", "message"),
    [
        (0.0, "temperature must be positive, got 0.0"),
        (float("nan"), "temperature must be positive, got nan"),
        (0.001, "temperature must be at least 0.01, got 0.001"),
    ],
)
def test_temperatures_that_make_no_scale_are_refused(temperature, message):
    with pytest.raises(ConfigError, match=message):
        LogitScale(temperature, learned=True)


def test_codes_of_unit_length():
    codes = UnitLength()(torch.tensor([[3.0, 4.0], [0.0, 0.0], [-2.0, 0.0]], dtype=torch.bfloat16))
    torch.testing.assert_close(codes, torch.tensor([[0.6, 0.8], [0.0, 0.0], [-1.0, 0.0]]))
