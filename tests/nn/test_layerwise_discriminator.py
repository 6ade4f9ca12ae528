"""LayerwiseDiscriminator: what it keeps of its layers."""

from __future__ import annotations

import torch

from masln.nn import LayerwiseDiscriminator


def test_it_gives_its_input_and_each_hidden_layer_and_a_logit():
    torch.manual_seed(0)
    judge, x = LayerwiseDiscriminator(5, hidden=(4, 3)), torch.randn(7, 5)
    first, _, second, _, last = judge.layers
    one = torch.relu(first(x))
    two = torch.relu(second(one))
    kept, logits = judge(x)
    torch.testing.assert_close(kept, torch.cat([x, one, two], dim=1))
    torch.testing.assert_close(logits, last(two)[:, 0])
    assert logits.shape == (7,)
