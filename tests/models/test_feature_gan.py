"""FeatureGAN: two generators, two discriminators, and the fusion of what they align."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from masln.errors import ConfigError
from masln.losses import adversarial_loss, classification_loss, correlation_loss
from masln.models import FeatureGAN
from masln.models.feature_gan import FeatureGANNetwork
from masln.training import Runtime
from tests.models.test_supervised import batch, gradients

SMALL: dict[str, Any] = {"code_width": 5, "hidden": (12,), "discriminator_hidden": (6,)}


def network(**values: Any) -> FeatureGANNetwork:
    torch.manual_seed(0)
    built = FeatureGAN(**SMALL | values)._build(24, 16, 4, 0)
    assert isinstance(built, FeatureGANNetwork)
    return built


def test_the_spaces_and_the_widths():
    net, pairs = network(), batch()
    assert net.encoders["image"].generator(pairs.image).shape == pairs.text.shape
    assert net.encoders["text"].generator(pairs.text).shape == pairs.image.shape
    assert net.encoders["image"].fusion is net.encoders["text"].fusion
    assert net.encoders["image"](pairs.image).shape == net.encoders["text"](pairs.text).shape == (9, 5)


def test_objectives_are_the_losses_of_the_docstring():
    net = network(alignment=0.3, correlation=0.2, classification=0.7, adversarial=0.5)
    v, t, labels, *_ = batch()
    in_text, in_image = net.encoders["image"].generator(v), net.encoders["text"].generator(t)
    codes = net.encoders["image"](v), net.encoders["text"](t)
    judge = net.discriminators
    align = ((in_text - t) ** 2).sum(1).mean() + ((in_image - v) ** 2).sum(1).mean()
    fooling = sum(
        0.5 * -(torch.sigmoid(judge[s](fake)).log().mean() + (1 - torch.sigmoid(judge[s](real))).log().mean())
        for s, fake, real in (("text", in_text, t), ("image", in_image, v))
    )
    told = adversarial_loss(judge["text"](t), judge["text"](in_text))
    told = told + adversarial_loss(judge["image"](v), judge["image"](in_image))
    classification = classification_loss(*map(net.classifier, codes), labels)
    generator, discriminator = net.objectives(batch(), 0.0)
    expected = 0.3 * align + 0.2 * correlation_loss(*codes) + 0.7 * classification + 0.5 * fooling
    torch.testing.assert_close(generator.loss, expected)
    torch.testing.assert_close(discriminator.loss, told)
    assert 0 <= discriminator.figures["discriminator_accuracy"] <= 1


GENERATORS = {"encoders.image.generator", "encoders.text.generator"}
SHARED = {"encoders.image.fusion.projections", "encoders.image.fusion.attention"}  # the texts' are the same
MOVES = {
    "alignment": GENERATORS,
    "correlation": GENERATORS | SHARED,
    "classification": GENERATORS | SHARED | {"classifier"},
    "fooling": GENERATORS | {"discriminators"},  # only the generators are in the group that it is handed to
    "adversarial": {"discriminators"},
}


def test_each_loss_gives_gradients_to_the_parts_it_should_and_no_other():
    net = network()
    figures = {key: value for objective in net.objectives(batch(), 0.5) for key, value in objective.figures.items()}
    assert set(figures) == {*MOVES, "discriminator_accuracy"}
    parts = sorted(set().union(*MOVES.values()))
    assert all(any(name.startswith(part) for part in parts) for name, _ in net.named_parameters())
    for loss, expected in MOVES.items():
        found = gradients(net, figures[loss])
        moved = {part for part in parts for name, g in found.items() if name.startswith(part) and g.abs().sum() > 0}
        assert moved == expected, loss
    groups = net.parameter_groups()
    assert {id(p) for p in groups["discriminator"]} == {id(p) for p in net.discriminators.parameters()}
    assert not {id(p) for p in groups["generator"]} & {id(p) for p in groups["discriminator"]}
    assert len(groups["generator"]) + len(groups["discriminator"]) == len(list(net.parameters()))


def test_a_step_against_the_discriminators_makes_mapped_features_look_more_real():
    net, pairs = network(adversarial=1.0, alignment=1e-9, correlation=0.0, classification=0.0), batch()

    @torch.no_grad()
    def looks() -> float:
        return float(
            net.discriminators["text"](net.encoders["image"].generator(pairs.image)).mean()
            + net.discriminators["image"](net.encoders["text"].generator(pairs.text)).mean()
        )

    before, generator = looks(), next(net.objectives(pairs, 0.0))
    group = net.parameter_groups()["generator"]
    for parameter, gradient in zip(group, torch.autograd.grad(generator.loss, group, allow_unused=True), strict=True):
        if gradient is not None:
            parameter.data -= 0.1 * gradient
    assert looks() > before


@pytest.mark.parametrize(
    ("loss", "part"), [("classification", "classifier"), ("adversarial", "discriminators"), ("correlation", None)]
)
def test_a_loss_that_is_off_has_no_parameters_and_no_figure(loss, part):
    net = network(**{loss: 0.0})
    assert part is None or not any(name.startswith(part) for name, _ in net.named_parameters())
    assert not any(loss in objective.figures for objective in net.objectives(batch(), 0.5))
    assert ("discriminator" in net.parameter_groups()) == (loss != "adversarial")


def test_the_game_is_logged_and_the_mapped_features_come_near_the_paired_ones(pairs):
    """Features on the unit sphere: mapping everything to 0 would cost 1 in each space."""
    values = SMALL | {"hidden": (64,), "learning_rate": 1e-2}
    method = FeatureGAN(**values, epochs=20, batch_size=32).fit(pairs, runtime=Runtime(device="cpu"))
    assert method.history_[-1]["alignment"] < 1.0 < method.history_[0]["alignment"]
    assert {"fooling", "adversarial", "discriminator_accuracy"} <= set(method.history_[0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"alignment": 0.0, "correlation": 0.0, "classification": 0.0},
            "are all 0: nothing says what belongs together",
        ),
        ({"adversarial": -1.0}, "adversarial must not be negative, got -1.0"),
        ({"discriminator_hidden": (0,)}, r"discriminator_hidden must be positive, got \(0,\)"),
    ],
)
def test_bad_hyper_parameters_are_refused(values, message, pairs):
    with pytest.raises(ConfigError, match=message):
        FeatureGAN(**SMALL | values).fit(pairs, runtime=Runtime(device="cpu"))
