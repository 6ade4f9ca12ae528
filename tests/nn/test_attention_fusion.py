from __future__ import annotations

import math

import pytest
import torch

from masln.nn import AttentionFusion


def test_the_code_is_the_attention_weighted_sum_of_the_projected_views():
    torch.manual_seed(0)
    fusion = AttentionFusion({"image": 4, "text": 3}, 5)
    views = {"text": torch.randn(6, 3), "image": torch.randn(6, 4)}
    codes = fusion(views)
    assert codes.shape == (6, 5)
    w = fusion.attention.weight[0].tolist()
    for i in range(6):
        projected = [fusion.projections[name](views[name][i]).tolist() for name in ("image", "text")]
        scores = [math.exp(sum(a * math.tanh(h) for a, h in zip(w, row, strict=True))) for row in projected]
        expected = [sum(s * row[j] for s, row in zip(scores, projected, strict=True)) / sum(scores) for j in range(5)]
        assert codes[i].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_attention_depends_on_the_item_and_learns():
    torch.manual_seed(0)
    fusion = AttentionFusion({"image": 4, "text": 3}, 5)
    fusion({"image": torch.randn(6, 4), "text": torch.randn(6, 3)}).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in fusion.parameters())
