"""InfoNCE, the sigmoid, supervised contrastive and mined triplet losses against loops and pytorch-metric-learning."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from masln.losses import (
    candidate_negatives,
    cosines_both_ways,
    info_nce_loss,
    mined_triplet_loss,
    sigmoid_pairs_loss,
    supervised_contrastive_loss,
)
from masln.nn import Remembered

Direction = tuple[list[list[float]], list[list[float]], list[int]]
sizes = st.tuples(st.integers(1, 6), st.integers(2, 4), st.integers(1, 4), st.integers(0, 4), st.integers(0, 1000))
rules = st.sampled_from(["all", "hardest", "top-k"])


def draw(n: int, d: int, classes: int, older: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Remembered | None]:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(2, n + older, d, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, classes, (n + older,), generator=generator)
    memory = Remembered(codes[0, n:], codes[1, n:], labels[n:]) if older else None
    return codes[0, :n], codes[1, :n], labels[:n], memory


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def directions(first: Tensor, second: Tensor, labels: Tensor, memory: Remembered | None) -> list[Direction]:
    """Anchors, all candidates, and the classes of these, for both modalities of the anchor."""
    older = memory or Remembered(first[:0], second[:0], labels[:0])
    classes = [*labels.tolist(), *older.labels.tolist()]
    return [
        (first.tolist(), [*second.tolist(), *older.second.tolist()], classes),
        (second.tolist(), [*first.tolist(), *older.first.tolist()], classes),
    ]


def chosen(rule: str, k: int, row: list[float], i: int, classes: list[int], masked: bool) -> list[int]:
    """The negatives of anchor i, by their definition."""
    own = [j for j in range(len(row)) if j != i and not (masked and classes[j] == classes[i])]
    falling = sorted(own, key=lambda j: -row[j])
    return falling[: {"all": len(row), "hardest": 1, "top-k": k}[rule]]


@settings(deadline=None, max_examples=40)
@given(sizes, rules, st.booleans(), st.floats(0.5, 20))
def test_info_nce_is_the_cross_entropy_of_the_own_pair(size, rule, masked, scale):
    first, second, labels, memory = draw(*size)
    naive = 0.0
    for anchors, others, classes in directions(first, second, labels, memory):
        for i, anchor in enumerate(anchors):
            row = [cosine(anchor, other) for other in others]
            total = sum(math.exp(scale * row[k]) for k in [i, *chosen(rule, 2, row, i, classes, masked)])
            naive -= math.log(math.exp(scale * row[i]) / total) / (2 * len(anchors))
    options: dict[str, Any] = {"mask_same_class": masked, "negatives": rule, "top_k": 2, "memory": memory}
    found = info_nce_loss(first, second, labels, scale=scale, **options)
    assert float(found) == pytest.approx(naive, rel=1e-4, abs=1e-5)


@settings(deadline=None, max_examples=40)
@given(sizes, rules, st.booleans(), st.floats(0.5, 20), st.floats(-10, 2))
def test_the_sigmoid_loss_judges_each_pair_apart(size, rule, masked, scale, bias):
    first, second, labels, memory = draw(*size)
    naive = 0.0
    for anchors, others, classes in directions(first, second, labels, memory):
        for i, anchor in enumerate(anchors):
            row = [cosine(anchor, other) for other in others]
            naive += math.log1p(math.exp(-scale * row[i] - bias)) / (2 * len(anchors))
            for k in chosen(rule, 2, row, i, classes, masked):
                naive += math.log1p(math.exp(scale * row[k] + bias)) / (2 * len(anchors))
    options: dict[str, Any] = {"mask_same_class": masked, "negatives": rule, "top_k": 2, "memory": memory}
    found = sigmoid_pairs_loss(first, second, labels, scale=scale, bias=bias, **options)
    assert float(found) == pytest.approx(naive, rel=1e-4, abs=1e-5)


def test_the_sigmoid_loss_is_the_paper_s_algorithm():
    """Zhai et al., algorithm 1: labels 2 I - 1, the sum of all log-sigmoids over the size of the batch."""
    first, second, labels, _ = draw(8, 4, 3, 0, 0)
    unit = [torch.nn.functional.normalize(codes) for codes in (first, second)]
    logits = unit[0] @ unit[1].T * 7.0 - 3.0
    paper = -torch.nn.functional.logsigmoid((2 * torch.eye(8) - 1) * logits).sum() / 8
    assert float(sigmoid_pairs_loss(first, second, labels, scale=7.0, bias=-3.0)) == pytest.approx(float(paper))


@settings(deadline=None, max_examples=40)
@given(sizes, st.floats(0.5, 20))
def test_supervised_contrastive_chooses_its_class(size, scale):
    first, second, labels, memory = draw(*size)
    naive = 0.0
    for anchors, others, classes in directions(first, second, labels, memory):
        for i, anchor in enumerate(anchors):
            row = [math.exp(scale * cosine(anchor, other)) for other in others]
            own = [math.log(row[j] / sum(row)) for j in range(len(row)) if classes[j] == classes[i]]
            naive -= sum(own) / len(own) / (2 * len(anchors))
    found = supervised_contrastive_loss(first, second, labels, scale=scale, memory=memory)
    assert float(found) == pytest.approx(naive, rel=1e-4, abs=1e-5)


@settings(deadline=None, max_examples=60)
@given(sizes, st.sampled_from(["all", "semi-hard", "hardest", "top-k"]), st.booleans(), st.booleans(), st.floats(0, 1))
def test_mined_triplets_are_those_of_a_loop(size, rule, masked, class_positives, margin):
    first, second, labels, memory = draw(*size)
    hinges = []
    for anchors, others, classes in directions(first, second, labels, memory):
        for i, anchor in enumerate(anchors):
            row = [cosine(anchor, other) for other in others]
            for j in range(len(row)) if class_positives else [i]:
                if classes[j] == classes[i]:
                    ranked = "all" if rule == "semi-hard" else rule
                    candidates = chosen(ranked, 2, row, i, classes, masked or class_positives)
                    if rule == "semi-hard":
                        candidates = [k for k in candidates if row[j] - margin < row[k] < row[j]]
                    hinges += [max(0.0, margin + row[k] - row[j]) for k in candidates]
    naive = sum(hinges) / len(hinges) if hinges else 0.0
    options: dict[str, Any] = {"mask_same_class": masked, "class_positives": class_positives, "memory": memory}
    found = mined_triplet_loss(first, second, labels, margin=margin, negatives=rule, top_k=2, **options)
    assert float(found) == pytest.approx(naive, rel=1e-3, abs=1e-5)


class TestPytorchMetricLearning:
    """Its losses take anchors and, as ``ref_emb``, candidates; ours are the mean of the two directions."""

    @pytest.fixture(params=[0, 5], ids=["batch", "memory"])
    def case(self, request) -> tuple[Tensor, Tensor, Tensor, Remembered | None]:
        return draw(10, 6, 4, request.param, 3)

    def both_ways(self, loss: Any, case: Any, indices: Any = None) -> float:
        first, second, labels, memory = case
        older = memory or Remembered(first[:0], second[:0], labels[:0])
        classes = torch.cat([labels, older.labels])
        there = loss(first, labels, indices, torch.cat([second, older.second]), classes)
        back = loss(second, labels, indices, torch.cat([first, older.first]), classes)
        return float(there + back) / 2

    @pytest.mark.parametrize("masked", [False, True])
    def test_info_nce(self, case, masked):
        from pytorch_metric_learning.losses import NTXentLoss

        first, second, labels, memory = case
        pairs = torch.arange(len(labels))
        indices = (pairs, pairs, *candidate_negatives(labels, memory, mask_same_class=masked).nonzero(as_tuple=True))
        theirs = self.both_ways(NTXentLoss(temperature=0.2), case, indices)
        ours = info_nce_loss(first, second, labels, scale=5.0, mask_same_class=masked, memory=memory)
        assert float(ours) == pytest.approx(theirs, rel=1e-5)

    def test_supervised_contrastive(self, case):
        from pytorch_metric_learning.losses import SupConLoss

        first, second, labels, memory = case
        ours = supervised_contrastive_loss(first, second, labels, scale=5.0, memory=memory)
        assert float(ours) == pytest.approx(self.both_ways(SupConLoss(temperature=0.2), case), rel=1e-5)

    def test_triplets_of_all_negatives(self, case):
        from pytorch_metric_learning.distances import CosineSimilarity
        from pytorch_metric_learning.losses import TripletMarginLoss
        from pytorch_metric_learning.reducers import MeanReducer

        first, second, labels, memory = case
        loss = TripletMarginLoss(margin=0.3, distance=CosineSimilarity(), reducer=MeanReducer())
        options: dict[str, Any] = {"negatives": "all", "class_positives": True, "memory": memory}
        ours = mined_triplet_loss(first, second, labels, margin=0.3, **options)
        assert float(ours) == pytest.approx(self.both_ways(loss, case), rel=1e-5)

    def test_semi_hard_triplets(self):
        """The mean is over the triplets of both directions together, which choose different numbers."""
        from pytorch_metric_learning.distances import CosineSimilarity
        from pytorch_metric_learning.losses import TripletMarginLoss
        from pytorch_metric_learning.miners import TripletMarginMiner
        from pytorch_metric_learning.reducers import MeanReducer

        first, second, labels, _ = draw(10, 6, 4, 0, 3)
        miner = TripletMarginMiner(margin=0.3, type_of_triplets="semihard", distance=CosineSimilarity())
        loss = TripletMarginLoss(margin=0.3, distance=CosineSimilarity(), reducer=MeanReducer())
        weights, losses = [], []
        for own, other in ((first, second), (second, first)):
            triplets = miner(own, labels, other, labels.clone())  # the same object would mean the same items
            weights.append(len(triplets[0]))
            losses.append(float(loss(own, labels, triplets, other, labels.clone())))
        theirs = sum(w * value for w, value in zip(weights, losses, strict=True)) / sum(weights)
        ours = mined_triplet_loss(first, second, labels, margin=0.3, negatives="semi-hard", class_positives=True)
        assert float(ours) == pytest.approx(theirs, rel=1e-5)


LABELS = torch.tensor([0, 2, 0, 1, 1])
LOSSES: dict[str, Callable[..., Tensor]] = {
    "infonce": lambda u, v, labels=LABELS: info_nce_loss(u, v, labels, scale=3.0),
    "infonce, masked": lambda u, v, labels=LABELS: info_nce_loss(u, v, labels, scale=3.0, mask_same_class=True),
    "infonce, hardest": lambda u, v, labels=LABELS: info_nce_loss(u, v, labels, scale=3.0, negatives="hardest"),
    "sigmoid": lambda u, v, labels=LABELS: sigmoid_pairs_loss(u, v, labels, scale=3.0, bias=-1.0),
    "supcon": lambda u, v, labels=LABELS: supervised_contrastive_loss(u, v, labels, scale=3.0),
    "triplet": lambda u, v, labels=LABELS: mined_triplet_loss(u, v, labels, margin=0.4),
    "triplet, all": lambda u, v, labels=LABELS: mined_triplet_loss(
        u, v, labels, margin=0.4, negatives="all", class_positives=True
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(name):
    """Float64 codes, but the losses are in float32: a step of 1e-3 leaves three digits."""
    codes = [values.requires_grad_() for values in draw(5, 4, 3, 0, 1)[:2]]
    assert torch.autograd.gradcheck(LOSSES[name], codes, eps=1e-3, atol=2e-3, rtol=1e-2)


def test_scale_and_bias_have_gradients():
    first, second, labels, memory = draw(5, 4, 3, 2, 1)
    scale, bias = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (3.0, -1.0))
    for loss, inputs in (
        (lambda s: info_nce_loss(first, second, labels, scale=s, memory=memory), (scale,)),
        (lambda s: supervised_contrastive_loss(first, second, labels, scale=s, memory=memory), (scale,)),
        (lambda s, b: sigmoid_pairs_loss(first, second, labels, scale=s, bias=b, memory=memory), (scale, bias)),
    ):
        assert torch.autograd.gradcheck(loss, inputs, eps=1e-3, atol=2e-3, rtol=1e-2)


@pytest.mark.parametrize("name", LOSSES)
def test_equal_and_zero_codes_have_finite_gradients(name):
    for value in (0.0, 1.0):
        codes = [torch.full((5, 3), value, requires_grad=True) for _ in range(2)]
        LOSSES[name](*codes).backward()
        assert all(torch.isfinite(c.grad).all() for c in codes)


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_codes_are_scored_in_float32_under_autocast_too(name):
    """Bfloat16 products of float32 codes would be off in the third digit."""
    first, second = draw(5, 16, 3, 0, 2)[:2]
    exact = float(LOSSES[name](first, second))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = LOSSES[name](first.float(), second.float())
    assert value.dtype == torch.float32 and float(value) == pytest.approx(exact, rel=1e-5)
    half = first.bfloat16(), second.bfloat16()
    assert float(LOSSES[name](*half)) == pytest.approx(float(LOSSES[name](*(c.double() for c in half))), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_one_class_and_one_pair_give_finite_losses_and_gradients(name):
    for n in (1, 5):
        codes = [values.float().requires_grad_() for values in draw(n, 4, 3, 0, 1)[:2]]
        loss = LOSSES[name](*codes, labels=torch.zeros(n, dtype=torch.int64))
        loss.backward()
        assert torch.isfinite(loss) and all(torch.isfinite(c.grad).all() for c in codes)
        if name in ("infonce, masked", "triplet", "triplet, all"):
            assert float(loss.detach()) == 0.0 and all(not c.grad.any() for c in codes), "no negatives are left"


def test_rows_of_the_cosines_have_their_own_pair_on_the_diagonal():
    first, second, _, memory = draw(3, 4, 2, 2, 0)
    found = cosines_both_ways(first, second, memory)
    assert found.shape == (2, 3, 5)
    for i in range(3):
        assert float(found[0, i, i]) == pytest.approx(cosine(first[i].tolist(), second[i].tolist()), abs=1e-6)
    assert float(found[0, 1, 4]) == pytest.approx(cosine(first[1].tolist(), memory.second[1].tolist()), abs=1e-6)
    assert float(found[1, 1, 4]) == pytest.approx(cosine(second[1].tolist(), memory.first[1].tolist()), abs=1e-6)
