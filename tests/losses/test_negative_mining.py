"""Each mining rule against its definition, a loop, on a thousand random batches; against pytorch-metric-learning."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from masln.errors import ConfigError
from masln.losses import MINING_RULES, mine_negatives, semi_hard_negatives, top_k_negatives

BATCHES, MOST = 1000, 9


def by_definition(
    rule: str, row: list[float], positive: float, negatives: list[int], margin: float, k: int
) -> set[int]:
    """What the rule chooses for one anchor, from the negatives' indices; similarities are all different."""
    if rule == "semi-hard":
        return {j for j in negatives if positive - margin < row[j] < positive}
    falling = sorted(negatives, key=lambda j: -row[j])
    return set(falling[: {"all": len(row), "hardest": 1, "top-k": k}[rule]])


@pytest.mark.parametrize("rule", MINING_RULES)
def test_a_rule_keeps_its_definition_on_a_thousand_batches(rule):
    rng = np.random.default_rng(0)
    found_some = 0
    for _ in range(BATCHES):
        n, extra, k, margin = *(int(v) for v in rng.integers((1, 0, 1), (MOST, 4, 5))), float(rng.uniform(0, 0.8))
        similarities = rng.uniform(-1, 1, size=(n, n + extra))
        labels = rng.integers(0, 4, size=n + extra)
        negatives = labels[:n, None] != labels
        positives = similarities.diagonal().copy()
        found = mine_negatives(
            rule, *map(torch.from_numpy, (similarities, positives, negatives)), margin=margin, top_k=k
        ).numpy()
        for i, row in enumerate(similarities.tolist()):
            expected = by_definition(rule, row, positives[i], np.flatnonzero(negatives[i]).tolist(), margin, k)
            assert set(np.flatnonzero(found[i]).tolist()) == expected
            found_some += len(expected)
    assert found_some > BATCHES


def test_leading_axes_are_batches_of_their_own():
    torch.manual_seed(0)
    similarities, positives, negatives = torch.rand(2, 5, 7), torch.rand(2, 5), torch.rand(5, 7) > 0.3
    for rule in MINING_RULES:
        together = mine_negatives(rule, similarities, positives, negatives, margin=0.3, top_k=2)
        assert together.shape == similarities.shape and together.dtype == torch.bool
        for own, alone in zip(together, zip(similarities, positives, strict=True), strict=True):
            assert torch.equal(own, mine_negatives(rule, *alone, negatives, margin=0.3, top_k=2))


@pytest.mark.parametrize(("kind", "margin"), [("semihard", 0.1), ("semihard", 0.6), ("hard", 0.1)])
def test_semi_hard_and_hardest_are_those_of_pytorch_metric_learning(kind, margin):
    """Its miners list (anchor, positive, negative); the hardest one also looks for the hardest positive."""
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.miners import BatchHardMiner, TripletMarginMiner

    torch.manual_seed(1)
    for _ in range(20):
        anchors, others = torch.randn(12, 4), torch.randn(12, 4)
        labels = torch.randint(0, 4, (12,))
        similarities = torch.nn.functional.normalize(anchors) @ torch.nn.functional.normalize(others).T
        rows, columns = (labels[:, None] == labels).nonzero(as_tuple=True)
        negatives = (labels[:, None] != labels)[rows]
        if kind == "semihard":
            miner = TripletMarginMiner(margin=margin, type_of_triplets=kind, distance=CosineSimilarity())
            found = semi_hard_negatives(similarities[rows], similarities[rows, columns], negatives, margin=margin)
            ours = {(int(rows[r]), int(columns[r]), int(k)) for r, k in found.nonzero()}
        else:
            miner = BatchHardMiner(distance=CosineSimilarity())
            hardest_positive = similarities.masked_fill(labels[:, None] != labels, 2.0).argmin(dim=1)
            found = top_k_negatives(similarities, labels[:, None] != labels, k=1)
            ours = {(int(i), int(hardest_positive[i]), int(k)) for i, k in found.nonzero()}
        # Given the very same labels, it takes anchors and others for the same items.
        theirs = torch.stack(miner(anchors, labels, others, labels.clone())).T.tolist()
        assert ours == set(map(tuple, theirs)) and ours


def test_more_wanted_than_there_are_gives_all():
    similarities, negatives = torch.rand(3, 4), torch.tensor([[True, False, True, False]] * 2 + [[False] * 4])
    assert torch.equal(top_k_negatives(similarities, negatives, k=3), negatives)
    assert torch.equal(top_k_negatives(similarities, negatives, k=30), negatives)


def test_unknown_rules_and_no_negatives_wanted_are_refused():
    with pytest.raises(ConfigError, match=r"unknown negatives 'hardst' \(did you mean 'hardest'\?\)"):
        mine_negatives("hardst", torch.rand(2, 2), torch.rand(2), torch.ones(2, 2, dtype=torch.bool))
    with pytest.raises(ConfigError, match="top_k must be at least 1, got 0"):
        mine_negatives("top-k", torch.rand(2, 2), torch.rand(2), torch.ones(2, 2, dtype=torch.bool), top_k=0)
