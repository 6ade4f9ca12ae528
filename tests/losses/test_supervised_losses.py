"""The losses of DSCMR and ACMR against loops over every pair and triplet, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from masln.losses import (
    cross_modal_triplet_loss,
    invariance_loss,
    label_regression_loss,
    pairwise_likelihood_loss,
    triplet_hinge_loss,
)

sizes = st.tuples(st.integers(1, 7), st.integers(1, 5), st.integers(1, 4), st.integers(0, 1000))
Rows = list[list[float]]


def draw(n: int, d: int, classes: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    image, text = (torch.from_numpy(rng.normal(size=(n, d))) for _ in range(2))
    return image, text, torch.from_numpy(rng.integers(0, classes, n))


def norm(row: list[float]) -> float:
    return math.sqrt(sum(v * v for v in row))


def distance(a: list[float], b: list[float]) -> float:
    return norm([x - y for x, y in zip(a, b, strict=True)])


def over_triplets(image: Rows, text: Rows, labels: list[int], cost: Callable[[float, float], float]) -> float:
    """The mean cost over all (anchor, same class, other class), anchors of both modalities."""
    costs = [
        cost(distance(anchors[i], others[j]), distance(anchors[i], others[k]))
        for anchors, others in ((image, text), (text, image))
        for i, own in enumerate(labels)
        for j, same in enumerate(labels)
        for k, other in enumerate(labels)
        if own == same != other
    ]
    return sum(costs) / len(costs) if costs else 0.0


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_invariance_is_the_mean_distance_of_a_pair(size):
    image, text, _ = draw(*size)
    naive = sum(map(distance, image.tolist(), text.tolist())) / len(image)
    assert float(invariance_loss(image, text)) == pytest.approx(naive, rel=1e-5)


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_label_regression_is_the_mean_distance_to_the_one_hot_label_of_each_modality(size):
    n, _, classes, seed = size
    image, text, labels = draw(n, classes, classes, seed)
    naive = 0.0
    for scores in (image.tolist(), text.tolist()):
        for row, label in zip(scores, labels.tolist(), strict=True):
            naive += distance(row, [float(c == label) for c in range(classes)]) / n
    assert float(label_regression_loss(image, text, labels)) == pytest.approx(naive, rel=1e-5)


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_pairwise_likelihood_is_the_logistic_loss_of_halved_cosines(size):
    image, text, labels = draw(*size)
    n, naive = len(labels), 0.0
    for left, right in ((image, text), (image, image), (text, text)):
        for i, a in enumerate(left.tolist()):
            for j, b in enumerate(right.tolist()):
                half = sum(x * y for x, y in zip(a, b, strict=True)) / norm(a) / norm(b) / 2
                likelihood = 1 / (1 + math.exp(-half)) if labels[i] == labels[j] else 1 / (1 + math.exp(half))
                naive -= math.log(likelihood) / n**2
    assert float(pairwise_likelihood_loss(image, text, labels)) == pytest.approx(naive, rel=1e-5)


@settings(deadline=None, max_examples=60)
@given(sizes, st.floats(0, 3), st.floats(0, 3))
def test_cross_modal_triplets_pull_their_class_and_push_others_within_the_margin(size, negative, margin):
    image, text, labels = draw(*size)
    rows = image.tolist(), text.tolist(), labels.tolist()
    naive = over_triplets(*rows, lambda near, far: near + negative * max(0.0, margin - far))
    found = cross_modal_triplet_loss(image, text, labels, negative=negative, margin=margin)
    assert float(found) == pytest.approx(naive, rel=1e-5, abs=1e-7)


@settings(deadline=None, max_examples=60)
@given(sizes, st.floats(0, 6), st.floats(0, 3))
def test_triplet_hinges_compare_halved_squared_distances(size, positive, margin):
    image, text, labels = draw(*size)
    rows = image.tolist(), text.tolist(), labels.tolist()
    naive = over_triplets(*rows, lambda near, far: max(0.0, margin + positive * near**2 / 2 - far**2 / 2))
    found = triplet_hinge_loss(image, text, labels, positive=positive, margin=margin)
    assert float(found) == pytest.approx(naive, rel=1e-4, abs=1e-6)


LABELS = torch.tensor([0, 2, 0, 1, 1])
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "invariance": invariance_loss,
    "label regression": lambda u, v: label_regression_loss(u, v, LABELS),
    "pairwise likelihood": lambda u, v: pairwise_likelihood_loss(u, v, LABELS),
    "cross-modal triplet": lambda u, v: cross_modal_triplet_loss(u, v, LABELS, negative=0.7, margin=3.0),
    "triplet hinge": lambda u, v: triplet_hinge_loss(u, v, LABELS, positive=1.5, margin=0.5),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(name):
    """Float64 codes, but the losses are in float32: a step of 1e-3 leaves three digits."""
    codes = [values.requires_grad_() for values in draw(5, 4, 3, 1)[:2]]
    assert torch.autograd.gradcheck(LOSSES[name], codes, eps=1e-3, atol=2e-3, rtol=1e-2)


@pytest.mark.parametrize("name", LOSSES)
def test_equal_and_zero_codes_have_finite_gradients(name):
    """Distances have a corner at 0, where the root of a sum of squares would give NaN."""
    for value in (0.0, 1.0):
        codes = [torch.full((5, 3), value, requires_grad=True) for _ in range(2)]
        LOSSES[name](*codes).backward()
        assert all(torch.isfinite(c.grad).all() for c in codes)
    one_hot = torch.eye(3)[LABELS].requires_grad_()
    label_regression_loss(one_hot, one_hot, LABELS).backward()
    assert torch.equal(one_hot.grad, torch.zeros(5, 3))


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_codes_are_scored_in_float32(name):
    image, text = (codes.bfloat16() for codes in draw(5, 3, 3, 2)[:2])
    value = LOSSES[name](image, text)
    assert value.dtype == torch.float32
    assert float(value) == pytest.approx(float(LOSSES[name](image.double(), text.double())), rel=1e-5)


def test_a_batch_of_one_class_has_no_triplet_and_no_gradient():
    for loss in (
        lambda u, v, labels: cross_modal_triplet_loss(u, v, labels, negative=1.0, margin=1.0),
        lambda u, v, labels: triplet_hinge_loss(u, v, labels, positive=1.0, margin=1.0),
    ):
        image, text, labels = draw(4, 3, 1, 0)
        image.requires_grad_()
        value = loss(image, text, labels)
        value.backward()
        assert float(value.detach()) == 0.0 and torch.equal(image.grad, torch.zeros_like(image))
