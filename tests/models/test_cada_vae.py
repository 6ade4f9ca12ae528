"""CADA-VAE: its losses written out, how their weights rise, and what it may know at a query."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from masln.errors import ConfigError, DataError
from masln.models import CADAVAE
from masln.models.cada_vae import CADAVAENetwork
from masln.training import Batch, Runtime

CPU = Runtime(device="cpu")
SMALL: dict[str, Any] = {
    "code_width": 5,
    "hidden": (12,),
    "class_hidden": (8,),
    "decoder_hidden": (7,),
    "epochs": 2,
    "cycle": 1.0,
}


def network(**values: Any) -> CADAVAENetwork:
    torch.manual_seed(0)
    built = CADAVAE(**SMALL | values)._build(24, 16, 4, 10)
    assert isinstance(built, CADAVAENetwork)
    return built


def batch(n: int = 9) -> Batch:
    generator = torch.Generator().manual_seed(1)
    image, text, vectors = (torch.randn(n, d, generator=generator) for d in (24, 16, 10))
    return Batch(image, text, torch.arange(n) % 4, vectors)


def l1(target: Tensor, decoded: Tensor) -> Tensor:
    return (target - decoded).abs().sum(dim=1).mean()


def written_out(net: CADAVAENetwork, pairs: Batch) -> dict[str, Tensor]:
    """The losses of the docstring, one term at a time, drawing as a step does."""
    v, t, c = pairs.image, pairs.text, pairs.class_embeddings
    c = c / c.norm(dim=1, keepdim=True)
    E, D = net.encoders, net.decoders
    qv, qt, qc = E["image"].posterior(v), E["text"].posterior(t), E["class"].posterior(c)
    zv, zt, zc = qv.sample(), qt.sample(), qc.sample()
    normals = [Normal(q.mean, (0.5 * q.log_variance).exp()) for q in (qv, qt, qc)]

    def distance(p: Normal, q: Normal) -> Tensor:
        return ((p.mean - q.mean).square().sum(1) + (p.stddev - q.stddev).square().sum(1)).sqrt().mean()

    cross = l1(t, D["text"](zv)) + l1(c, D["class"](zv)) + l1(v, D["image"](zt)) + l1(c, D["class"](zt))
    return {
        "reconstruction": l1(v, D["image"](zv)) + l1(t, D["text"](zt)) + l1(c, D["class"](zc)),
        "divergence": sum(kl_divergence(q, Normal(0.0, 1.0)).sum(dim=1).mean() for q in normals),
        "cross_reconstruction": cross + l1(v, D["image"](zc)) + l1(t, D["text"](zc)),
        "alignment": sum(distance(normals[a], normals[b]) for a, b in ((0, 1), (0, 2), (1, 2))),
        "cycle": l1(c, D["class"](E["image"](D["image"](zc)))) + l1(c, D["class"](E["text"](D["text"](zc)))),
    }


def test_the_losses_are_those_of_the_docstring():
    net, pairs = network(divergence=0.3, cross_reconstruction=0.7, alignment=2.0, cycle=0.4), batch()
    torch.manual_seed(3)
    (objective,) = net.objectives(pairs, 1.0)
    torch.manual_seed(3)
    expected = written_out(net, pairs)
    assert set(objective.figures) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(objective.figures[name], value)
    rec, kl, cross, align, cycle = expected.values()
    torch.testing.assert_close(objective.loss, rec + 0.3 * kl + 0.7 * cross + 2.0 * align + 0.4 * cycle)


@pytest.mark.parametrize(
    ("progress", "shares"),
    [
        (0.0, {"divergence": 0, "alignment": 0, "cross_reconstruction": 0, "cycle": 0}),
        (0.14, {"divergence": 14 / 93, "alignment": 0.5, "cross_reconstruction": 0, "cycle": 0}),
        (0.48, {"divergence": 48 / 93, "alignment": 1, "cross_reconstruction": 0.5, "cycle": 0.5}),
        (0.93, {"divergence": 1, "alignment": 1, "cross_reconstruction": 1, "cycle": 1}),
    ],
)
def test_the_weights_rise_as_in_the_code_of_cada_vae(progress, shares):
    weights = {"divergence": 0.25, "alignment": 8.13, "cross_reconstruction": 2.37, "cycle": 1.0}
    net = network(**weights)
    (objective,) = net.objectives(batch(), progress)
    expected = objective.figures["reconstruction"]
    for name, share in shares.items():
        expected = expected + share * weights[name] * objective.figures[name]
    torch.testing.assert_close(objective.loss, expected)


@pytest.mark.parametrize("name", CADAVAE.LOSSES)
def test_a_loss_that_is_off_has_no_figure(name):
    (objective,) = network(**{name: 0.0}).objectives(batch(), 1.0)
    assert set(objective.figures) == {"reconstruction", *CADAVAE.LOSSES} - {name}


def test_the_scale_of_class_embeddings_changes_nothing():
    net, pairs = network(), batch()
    losses = []
    for scale in (1.0, 50.0):
        torch.manual_seed(3)
        losses.append(next(net.objectives(pairs._replace(class_embeddings=scale * pairs.class_embeddings), 1.0)).loss)
    torch.testing.assert_close(*losses)


def test_a_query_draws_nothing_and_needs_no_class(pairs):
    method = CADAVAE(**SMALL).fit(pairs, runtime=CPU)
    state = torch.get_rng_state()
    first = method.encode_image(pairs.image)
    np.testing.assert_array_equal(method.encode_image(pairs.image), first)
    assert torch.equal(torch.get_rng_state(), state)
    scaled = method.scalings_["image"](torch.from_numpy(pairs.image))
    mean = method.network_.encoders["image"].posterior(scaled).mean
    np.testing.assert_allclose(first, mean.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_pairs_come_to_lie_together_and_class_embeddings_with_them(pairs):
    method = CADAVAE(**SMALL | {"epochs": 30, "learning_rate": 3e-3, "batch_size": 32}).fit(pairs, runtime=CPU)
    last = method.history_[-1]
    middle = method.history_[len(method.history_) // 2]
    assert last["cross_reconstruction"] < middle["cross_reconstruction"] < method.history_[0]["cross_reconstruction"]
    image, text = method.encode_image(pairs.image), method.encode_text(pairs.text)
    together = np.linalg.norm(image - text, axis=1).mean()
    apart = np.linalg.norm(image - np.roll(text, 50, axis=0), axis=1).mean()
    assert together < 0.5 * apart


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cycle": -1.0}, "cycle must not be negative, got -1.0"),
        ({"class_hidden": (0,)}, r"class_hidden must be positive, got \(0,\)"),
        ({"alignment": 0.0, "cross_reconstruction": 0.0}, "both 0: nothing says what belongs together"),
    ],
)
def test_bad_hyper_parameters_are_refused(values, message, pairs):
    with pytest.raises(ConfigError, match=message):
        CADAVAE(**SMALL | values).fit(pairs, runtime=CPU)


def test_pairs_without_class_embeddings_are_refused(pairs):
    with pytest.raises(DataError, match="CADAVAE aligns with class embeddings and the dataset has none"):
        CADAVAE(**SMALL).fit(dataclasses.replace(pairs, class_embeddings=None), runtime=CPU)
