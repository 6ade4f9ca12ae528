"""JFSE: what its critics, generators and encoders minimise, in turn, and what its synthetic features come to."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from masln.errors import ConfigError, DataError
from masln.losses import adversarial_loss, covariance_alignment_loss, projection_matching_loss
from masln.models import JFSE
from masln.models.jfse import JFSENetwork
from masln.nn import reversal_schedule
from masln.training import Batch, Runtime

CPU = Runtime(device="cpu")
SMALL: dict[str, Any] = {"hidden": (12,), "noise_width": 4, "discriminator_hidden": (6,), "critic_steps": 3}
LABELS = torch.arange(9) % 4
CLASSES = torch.randn(4, 5, generator=torch.Generator().manual_seed(2))
NAMES = ("image", "text")


def network(**values: Any) -> JFSENetwork:
    torch.manual_seed(0)
    built = JFSE(**SMALL | values)._build(24, 16, 4, 5)
    assert isinstance(built, JFSENetwork)
    return built


def batch() -> Batch:
    draw = torch.Generator().manual_seed(1)
    return Batch(torch.randn(9, 24, generator=draw), torch.randn(9, 16, generator=draw), LABELS, CLASSES[LABELS])


def synthetic_features(net: JFSENetwork) -> dict[str, Tensor]:
    """What the generators make of the next draws of noise."""
    noise = {name: torch.randn(9, 4) for name in NAMES}
    return {name: net.generators[name](torch.cat([batch().class_embeddings, noise[name]], dim=1)) for name in NAMES}


def embedding(codes: dict[str, Tensor]) -> Tensor:
    return sum(((z - batch().class_embeddings) ** 2).mean() for z in codes.values())


WEIGHTS = {"alignment": 0.3, "adversarial": 0.5, "synthetic": 0.7, "cycle": 0.2, "penalty": 4.0}


@pytest.mark.parametrize("scheme", ["cmpm", "cmca"])
def test_objectives_are_the_losses_of_the_docstring(scheme):
    """No step is taken in between, so that all see the same weights."""
    net, real, classes = network(scheme=scheme, **WEIGHTS), batch(), batch().class_embeddings
    torch.manual_seed(5)
    *critics, generator, encoder = net.objectives(real, 0.4)
    torch.manual_seed(5)
    made = synthetic_features(net)
    for objective in critics:
        expected = torch.zeros(())
        for name in NAMES:
            x, y = getattr(real, name), made[name].detach()
            judge = lambda f, name=name: net.critics[name](torch.cat([f, classes], dim=1))  # noqa: E731
            share = torch.rand(9, 1)
            point = (share * x + (1 - share) * y).requires_grad_()
            (slope,) = torch.autograd.grad(judge(point).sum(), point)
            penalty = sum((row.norm() - 1) ** 2 for row in slope) / 9
            expected = expected + judge(y).mean() - judge(x).mean() + 4.0 * penalty
        torch.testing.assert_close(objective.loss, expected)
    assert len(critics) == 3 and [bool(o.figures) for o in critics] == [False, False, True]

    def adversarial(codes: dict[str, Tensor]) -> Tensor:
        assert net.discriminator is not None
        return adversarial_loss(*(net.discriminator(codes[name]) for name in NAMES))

    def alignment(codes: dict[str, Tensor]) -> Tensor:
        if scheme == "cmpm":
            return projection_matching_loss(codes["image"], codes["text"], LABELS)
        return covariance_alignment_loss(codes["image"], codes["text"]).float()

    of_real = {name: net.encoders[name](getattr(real, name)) for name in NAMES}
    of_made = {name: net.encoders[name](made[name]) for name in NAMES}
    fooling = -sum(net.critics[name](torch.cat([made[name], classes], dim=1)).mean() for name in NAMES)
    strength = 0.5 * reversal_schedule(0.4)
    check(net, "generators", generator.loss, fooling + 0.2 * (embedding(of_made) - strength * adversarial(of_made)))
    of_made = {name: net.encoders[name](made[name].detach()) for name in NAMES}
    total = embedding(of_real) + 0.3 * alignment(of_real) - strength * adversarial(of_real)
    total = total + 0.7 * (embedding(of_made) + 0.3 * alignment(of_made) - strength * adversarial(of_made))
    check(net, "encoders", encoder.loss, total)
    check(net, "discriminator", encoder.loss, adversarial(of_real) + adversarial(of_made))


def check(net: JFSENetwork, part: str, loss: Tensor, expected: Tensor) -> None:
    """A reversed gradient is no gradient of the loss's value, so the gradients are what is compared."""
    parameters = list(getattr(net, part).parameters())
    found, wanted = (torch.autograd.grad(value, parameters, retain_graph=True) for value in (loss, expected))
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_step_of_the_critics_is_seen_by_the_generators_and_theirs_by_the_encoders():
    net = network()
    torch.manual_seed(5)
    objectives = net.objectives(batch(), 0.5)
    for _ in range(3):
        next(objectives)
    with torch.no_grad():
        for parameter in net.critics.parameters():
            parameter.zero_()
    generator = next(objectives)
    assert float(generator.figures["fooling"].detach()) == 0.0
    with torch.no_grad():
        for parameter in net.generators.parameters():
            parameter.zero_()
    nothing = {name: net.encoders[name](torch.zeros(9, width)) for name, width in (("image", 24), ("text", 16))}
    torch.testing.assert_close(next(objectives).figures["synthetic_embedding"], embedding(nothing))


def test_class_embeddings_are_scaled_by_those_of_the_training_classes(pairs):
    kept = pairs.of_classes([0, 2, 3])
    method = JFSE(**SMALL, epochs=1).fit(kept, runtime=CPU)
    scaled = method.network_.class_scaling(torch.from_numpy(kept.class_embeddings))
    assert float(scaled.min()) == 0.0 and float(scaled.max()) == pytest.approx(1.0)
    torch.testing.assert_close(scaled.amax(dim=0), torch.ones(10))


def test_rectified_networks_give_no_negative_code_and_no_negative_feature(pairs):
    method = JFSE(**SMALL, epochs=2, batch_size=32).fit(pairs, runtime=CPU)
    assert method.encode_image(pairs.image).min() >= 0 and method.encode_text(pairs.text).min() >= 0
    assert all(isinstance(parts[-1], nn.ReLU) for parts in method.network_.generators.values())
    plain = JFSE(**SMALL, rectified=False, epochs=1).fit(pairs, runtime=CPU)
    assert plain.encode_image(pairs.image).min() < 0 and isinstance(plain.network_.generators["text"][-1], nn.Linear)


def test_without_a_weight_a_part_is_not_there():
    net = network(synthetic=0.0)
    assert not any(name.startswith(("generators", "critics")) for name, _ in net.named_parameters())
    (only,) = net.objectives(batch(), 0.5)
    assert set(only.figures) == {"embedding", "alignment", "adversarial", "discriminator_accuracy"}
    assert network(adversarial=0.0).discriminator is None
    *_, encoder = network(alignment=0.0, adversarial=0.0).objectives(batch(), 0.5)
    assert set(encoder.figures) == {"embedding", "synthetic_embedding"}


def test_synthetic_features_come_to_be_those_of_their_class(pairs):
    """Most synthetic features lie nearest to the mean of their own class, of six."""
    values = SMALL | {"hidden": (64,), "learning_rate": 5e-3}
    method = JFSE(**values, epochs=50, batch_size=32).fit(pairs, runtime=CPU)
    torch.manual_seed(0)
    labels = np.repeat(np.arange(6), 20)
    classes = method.network_.class_scaling(torch.from_numpy(pairs.class_embeddings[labels]))
    for name, features in (("image", pairs.image), ("text", pairs.text)):
        with torch.no_grad():
            made = method.network_.generators[name](torch.cat([classes, torch.randn(120, 4)], dim=1))
            real = method.scalings_[name](torch.from_numpy(features))
        means = torch.stack([real[pairs.labels == c].mean(dim=0) for c in range(6)])
        told = torch.cdist(made, means).argmin(dim=1).numpy() == labels
        assert told.mean() > 0.6, name


def test_classes_without_embeddings_are_refused(pairs):
    with pytest.raises(DataError, match="JFSE maps to class embeddings and the dataset has none; make the bundle"):
        JFSE(**SMALL).fit(dataclasses.replace(pairs, class_embeddings=None), runtime=CPU)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scheme": "cmmp"}, r"unknown alignment scheme 'cmmp' \(did you mean 'cmpm'\?\)"),
        ({"critic_steps": 0}, "critic_steps must be at least 1, got 0"),
        ({"penalty": -1.0}, "penalty must not be negative, got -1.0"),
        ({"noise_width": 0}, "noise_width must be positive, got 0"),
    ],
)
def test_bad_hyper_parameters_are_refused(values, message, pairs):
    with pytest.raises(ConfigError, match=message):
        JFSE(**SMALL | values).fit(pairs, runtime=CPU)
