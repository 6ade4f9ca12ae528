from __future__ import annotations

import torch
from torch import nn

from masln.nn import ProjectedEncoder


def test_projects_what_is_learned_and_trains_it_alone():
    torch.manual_seed(0)
    learned = nn.Linear(6, 3)
    encoder, x = ProjectedEncoder(learned, 3), torch.randn(5, 6)
    torch.testing.assert_close(encoder(x), learned(x))  # the identity until it is set
    mean, directions = torch.randn(3).double(), torch.randn(3, 2).double()
    encoder.set_projection(mean, directions)
    expected = (learned(x) - mean.float()) @ directions.float()
    torch.testing.assert_close(encoder(x), torch.cat([expected, torch.zeros(5, 1)], dim=1))
    assert {name for name, _ in encoder.named_parameters()} == {"learned.weight", "learned.bias"}


def test_the_projection_is_saved_with_the_network():
    encoder, other = ProjectedEncoder(nn.Linear(6, 3), 3), ProjectedEncoder(nn.Linear(6, 3), 3)
    encoder.set_projection(torch.ones(3), torch.randn(3, 3))
    other.load_state_dict(encoder.state_dict())
    x = torch.randn(5, 6)
    torch.testing.assert_close(other(x), encoder(x), rtol=0, atol=0)


def test_directions_set_later_replace_all_of_the_earlier_ones():
    encoder = ProjectedEncoder(nn.Linear(6, 3), 3)
    encoder.set_projection(torch.ones(3), torch.randn(3, 3))
    encoder.set_projection(torch.zeros(3), torch.ones(3, 1))
    assert not encoder(torch.randn(5, 6))[:, 1:].any()
