"""MDVAE: its losses written out, how their weights rise, and what is shared against what is each modality's own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from masln.errors import ConfigError
from masln.models import MDVAE
from masln.models.mdvae import MDVAENetwork
from masln.training import Batch, Runtime

CPU = Runtime(device="cpu")
SMALL: dict[str, Any] = {
    "code_width": 5,
    "specific_width": 3,
    "hidden": (12,),
    "decoder_hidden": (7,),
    "fusion_hidden": (11,),
    "fusion_width": 8,
    "prior_hidden": (10,),
    "epochs": 2,
}
RISING = ("cross_reconstruction", "divergence", "alignment")


def network(**values: Any) -> MDVAENetwork:
    torch.manual_seed(0)
    built = MDVAE(**SMALL | values)._build(24, 16, 4, 0)
    assert isinstance(built, MDVAENetwork)
    return built


def batch(n: int = 9) -> Batch:
    generator = torch.Generator().manual_seed(1)
    image, text = (torch.randn(n, d, generator=generator) for d in (24, 16))
    return Batch(image, text, torch.arange(n) % 4, None)


def squared(target: Tensor, decoded: Tensor) -> Tensor:
    return (target - decoded).square().sum(dim=1).mean()


def normal(outputs: Tensor) -> Normal:
    mean, log_variance = outputs.chunk(2, dim=1)
    return Normal(mean, (0.5 * log_variance).exp())


def written_out(net: MDVAENetwork, pairs: Batch) -> dict[str, Tensor]:
    """The losses of the docstring, one term at a time, drawing as a step does."""
    v, t = pairs.image, pairs.text
    shared_v, shared_t = net.encoders["image"].posterior(v), net.encoders["text"].posterior(t)
    own_v, own_t = net.specific["image"].posterior(v), net.specific["text"].posterior(t)
    rv, rt, qv, qt = shared_v.sample(), shared_t.sample(), own_v.sample(), own_t.sample()

    def decode(name: str, shared: Tensor, own: Tensor) -> Tensor:
        return net.decoders[name](torch.cat([shared, own], dim=1))

    h = net.fusion(torch.cat([v, t], dim=1))
    prior = normal(net.prior(h))

    def divergence(q: Any, p: Normal) -> Tensor:
        return kl_divergence(Normal(q.mean, (0.5 * q.log_variance).exp()), p).sum(dim=1).mean()

    standard = Normal(torch.zeros(3), torch.ones(3))
    return {
        "reconstruction": squared(v, decode("image", rv, qv)) + squared(t, decode("text", rt, qt)),
        "cross_reconstruction": squared(v, decode("image", rv, qt)) + squared(t, decode("text", rt, qv)),
        "divergence": divergence(own_v, standard) + divergence(own_t, standard),
        "alignment": divergence(shared_v, prior) + divergence(shared_t, prior),
        "fused_reconstruction": squared(torch.cat([v, t], dim=1), net.fused_decoder(prior.mean)),
        "classification": torch.nn.CrossEntropyLoss()(net.classifier(h), pairs.labels),
    }


WEIGHTS = {name: 0.1 + 0.3 * i for i, name in enumerate(MDVAE.LOSSES)}


@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
def test_the_losses_are_those_of_the_docstring(progress):
    net, pairs = network(**WEIGHTS, annealing=2.0), batch()
    torch.manual_seed(3)
    (objective,) = net.objectives(pairs, progress)
    torch.manual_seed(3)
    expected = written_out(net, pairs)
    assert set(objective.figures) == set(expected) == set(MDVAE.LOSSES)
    total = torch.zeros(())
    for name, value in expected.items():
        torch.testing.assert_close(objective.figures[name], value)
        total = total + WEIGHTS[name] * (1 - math.exp(-2.0 * progress) if name in RISING else 1.0) * value
    torch.testing.assert_close(objective.loss, total)


def test_what_a_modality_s_own_part_may_tell_is_swapped_and_not_the_shared_part():
    """A decoder blind to the own part errs alike in both reconstructions; one blind to the shared part does not."""
    net, pairs = network(), batch()
    with torch.no_grad():
        for decoder in net.decoders.values():
            decoder[0].weight[:, 5:] = 0.0
    figures = next(net.objectives(pairs, 1.0)).figures
    torch.testing.assert_close(figures["cross_reconstruction"], figures["reconstruction"])
    net = network()
    with torch.no_grad():
        for decoder in net.decoders.values():
            decoder[0].weight[:, :5] = 0.0
    figures = next(net.objectives(pairs, 1.0)).figures
    ratio = figures["cross_reconstruction"].detach() / figures["reconstruction"].detach()
    assert abs(float(ratio) - 1) > 1e-3


@pytest.mark.parametrize(
    ("loss", "part"), [("classification", "classifier"), ("fused_reconstruction", "fused_decoder"), ("alignment", None)]
)
def test_a_loss_that_is_off_has_no_parameters_and_no_figure(loss, part):
    net = network(**{loss: 0.0})
    assert part is None or not any(name.startswith(part) for name, _ in net.named_parameters())
    assert loss not in next(net.objectives(batch(), 1.0)).figures


def test_a_query_draws_nothing_and_is_normalised_by_what_training_left(pairs):
    method = MDVAE(**SMALL).fit(pairs, runtime=CPU)
    statistics = {k: v.clone() for k, v in method.network_.state_dict().items() if "running" in k}
    state = torch.get_rng_state()
    first = method.encode_image(pairs.image)
    np.testing.assert_allclose(method.encode_image(pairs.image[:1]), first[:1], rtol=1e-4, atol=1e-6)
    assert torch.equal(torch.get_rng_state(), state) and statistics
    assert all(torch.equal(method.network_.state_dict()[k], v) for k, v in statistics.items())


def test_what_is_shared_comes_together_while_training(pairs):
    values = SMALL | {"epochs": 40, "learning_rate": 3e-3, "batch_size": 32}
    method = MDVAE(**values).fit(pairs, runtime=CPU)
    assert method.history_[-1]["cross_reconstruction"] < method.history_[0]["cross_reconstruction"]
    assert method.history_[-1]["classification"] < 0.5 * math.log(len(pairs.class_names))
    image, text = method.encode_image(pairs.image), method.encode_text(pairs.text)
    together = np.linalg.norm(image - text, axis=1).mean()
    apart = np.linalg.norm(image - np.roll(text, 50, axis=0), axis=1).mean()
    assert together < 0.6 * apart


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"divergence": -1.0}, "divergence must not be negative, got -1.0"),
        ({"fusion_width": 0}, "fusion_width must be positive, got 0"),
        ({"norm_momentum": 0.0}, r"norm_momentum 0.0 must lie in \(0, 1\]"),
        ({"batch_size": 1}, "MDVAE needs batch_size of at least 2, got 1"),
        ({"alignment": 0.0, "cross_reconstruction": 0.0}, "both 0: nothing says what belongs together"),
    ],
)
def test_bad_hyper_parameters_are_refused(values, message, pairs):
    with pytest.raises(ConfigError, match=message):
        MDVAE(**SMALL | values).fit(pairs, runtime=CPU)
