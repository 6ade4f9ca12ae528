"""The matching loss of joint scores against its definition, pair by pair."""

from __future__ import annotations

import math

import pytest
import torch

from masln.errors import ConfigError
from masln.losses import MATCHING_LOSSES, matching_loss


def by_definition(matched, unmatched, valid, kind, margin):
    n = len(matched)
    pairs = [(i, j) for i in range(n) for j in range(len(unmatched[i])) if valid[i][j]]
    if kind == "triplet":
        return (
            sum(max([0.0, *(margin + unmatched[i][j] - matched[i] for k, j in pairs if k == i)]) for i in range(n)) / n
        )
    if kind == "binary":
        yes = sum(-math.log(1 / (1 + math.exp(-p))) for p in matched) / n
        no = sum(-math.log(1 - 1 / (1 + math.exp(-unmatched[i][j]))) for i, j in pairs) / max(len(pairs), 1)
        return (yes + no) / 2
    total = 0.0
    for i in range(n):
        others = sum(math.exp(unmatched[i][j]) for k, j in pairs if k == i)
        total -= math.log(math.exp(matched[i]) / (math.exp(matched[i]) + others))
    return total / n


@pytest.mark.parametrize("kind", MATCHING_LOSSES)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_is_its_definition(kind, share):
    torch.manual_seed(0)
    matched, unmatched = torch.randn(5), torch.randn(5, 3)
    valid = torch.rand(5, 3) < share
    found = matching_loss(matched, unmatched, kind=kind, margin=0.3, valid=valid)
    expected = by_definition(matched.tolist(), unmatched.tolist(), valid.tolist(), kind, 0.3)
    assert float(found) == pytest.approx(expected, rel=1e-5, abs=1e-7)
    if share == 1.0:
        assert float(matching_loss(matched, unmatched, kind=kind, margin=0.3)) == pytest.approx(float(found))


@pytest.mark.parametrize("kind", MATCHING_LOSSES)
def test_what_is_not_valid_has_no_part_and_gradients_are_finite(kind):
    matched, unmatched = torch.zeros(3, requires_grad=True), torch.full((3, 2), 50.0, requires_grad=True)
    valid = torch.tensor([[True, False], [False, False], [False, True]])
    matching_loss(matched, unmatched, kind=kind, valid=valid).backward()
    assert torch.isfinite(matched.grad).all() and torch.isfinite(unmatched.grad).all()
    assert torch.equal(unmatched.grad != 0, valid)


@pytest.mark.parametrize("kind", MATCHING_LOSSES)
def test_learning_parts_the_pairs(kind):
    scores = torch.zeros(8, 3, requires_grad=True)
    optimiser = torch.optim.SGD([scores], lr=1.0)
    for _ in range(50):
        optimiser.zero_grad()
        matching_loss(scores[:, 0], scores[:, 1:], kind=kind, margin=0.2).backward()
        optimiser.step()
    assert (scores[:, :1] > scores[:, 1:] + 0.19).all()


def test_unknown_kind_names_the_known_ones():
    with pytest.raises(ConfigError, match=r"unknown matching loss 'tripel' \(did you mean 'triplet'\?\)"):
        matching_loss(torch.zeros(2), torch.zeros(2, 1), kind="tripel")
