from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from masln.losses import (
    adversarial_loss,
    classification_loss,
    correlation_loss,
    discriminator_accuracy,
    reconstruction_loss,
)

sizes = st.tuples(st.integers(1, 7), st.integers(1, 5), st.integers(0, 1000))


def draw(seed: int, *shape: int, scale: float = 1.0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(scale=scale, size=shape).astype(np.float32))


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_correlation_is_the_mean_squared_distance_of_a_pair(size):
    n, d, seed = size
    image, text = draw(seed, n, d), draw(seed + 1, n, d)
    naive = 0.0
    for i in range(n):
        for j in range(d):
            naive += (float(image[i, j]) - float(text[i, j])) ** 2
    assert float(correlation_loss(image, text)) == pytest.approx(naive / n, rel=1e-5)
    assert float(correlation_loss(image, image)) == 0.0


@settings(deadline=None, max_examples=40)
@given(sizes, st.integers(1, 3))
def test_reconstruction_sums_over_codes_and_dimensions_and_averages_over_pairs(size, codes):
    n, d, seed = size
    decoded, features = draw(seed, codes, n, d), draw(seed + 1, n, d)
    naive = 0.0
    for m in range(codes):
        for i in range(n):
            for j in range(d):
                naive += (float(decoded[m, i, j]) - float(features[i, j])) ** 2
    assert float(reconstruction_loss(decoded, features)) == pytest.approx(naive / n, rel=1e-5)


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_classification_is_the_softmax_cross_entropy_of_both_modalities(size):
    n, classes, seed = size
    image, text = draw(seed, n, classes, scale=3), draw(seed + 1, n, classes, scale=3)
    labels = torch.from_numpy(np.random.default_rng(seed).integers(0, classes, n))
    naive = 0.0
    for logits in (image, text):
        for i in range(n):
            row = [math.exp(float(v)) for v in logits[i]]
            naive -= math.log(row[int(labels[i])] / sum(row))
    assert float(classification_loss(image, text, labels)) == pytest.approx(naive / (2 * n), rel=1e-4, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_adversarial_is_the_binary_cross_entropy_with_images_as_ones(size):
    n, m, seed = size
    image, text = draw(seed, n, scale=3), draw(seed + 1, m, scale=3)
    ones = [-math.log(1 / (1 + math.exp(-float(v)))) for v in image]
    zeros = [-math.log(1 - 1 / (1 + math.exp(-float(v)))) for v in text]
    naive = 0.5 * (sum(ones) / n + sum(zeros) / m)
    assert float(adversarial_loss(image, text)) == pytest.approx(naive, rel=1e-4)


def test_adversarial_is_ln_2_when_the_discriminator_cannot_tell():
    zeros = torch.zeros(5)
    assert float(adversarial_loss(zeros, zeros)) == pytest.approx(math.log(2), rel=1e-6)
    assert float(discriminator_accuracy(zeros, zeros)) == 0.5


def test_adversarial_stays_finite_for_a_discriminator_that_is_sure_and_wrong():
    assert float(adversarial_loss(torch.tensor([-1e4]), torch.tensor([1e4]))) == pytest.approx(1e4)
    assert float(adversarial_loss(torch.tensor([1e4]), torch.tensor([-1e4]))) == 0.0


def test_accuracy_counts_right_answers_of_either_modality_alike():
    image, text = torch.tensor([1.0, 2.0, -1.0, 0.0]), torch.tensor([-1.0, 3.0])
    assert float(discriminator_accuracy(image, text)) == pytest.approx(0.5 * (2.5 / 4 + 1 / 2))


@pytest.mark.parametrize("loss", [correlation_loss, adversarial_loss])
def test_half_precision_codes_are_scored_in_float32(loss):
    """bf16 keeps three digits: summed in it, a loss would be off by a percent and would overflow in fp16."""
    shape = (64, 16) if loss is correlation_loss else (64,)
    image, text = draw(0, *shape).bfloat16(), draw(1, *shape).bfloat16()
    value = loss(image, text)
    assert value.dtype == torch.float32
    assert float(value) == pytest.approx(float(loss(image.double(), text.double())), rel=1e-5)


def test_every_loss_has_the_gradient_of_its_finite_differences():
    generator = torch.Generator().manual_seed(0)
    image, text = (torch.randn(3, 4, generator=generator, requires_grad=True) for _ in range(2))
    labels = torch.tensor([0, 3, 1])
    for loss in (
        correlation_loss,
        lambda a, b: classification_loss(a, b, labels),
        lambda a, b: adversarial_loss(a[:, 0], b[:, 0]),
        lambda a, b: reconstruction_loss(torch.stack([a, a * 2]), b),
    ):
        gradients = torch.autograd.grad(loss(image, text), (image, text))
        for values, gradient in zip((image, text), gradients, strict=True):
            for i, j in ((0, 0), (2, 1)):
                step = torch.zeros_like(values)
                step[i, j] = 1e-2
                pair = [
                    ((v + step).detach(), (v - step).detach()) if v is values else (v.detach(), v.detach())
                    for v in (image, text)
                ]
                slope = (float(loss(pair[0][0], pair[1][0])) - float(loss(pair[0][1], pair[1][1]))) / 2e-2
                assert slope == pytest.approx(float(gradient[i, j]), rel=2e-2, abs=2e-3)
