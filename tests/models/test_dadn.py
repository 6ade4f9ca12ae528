"""DADN: what its steps minimise, in which order, and that codes of unseen classes come near their class embeddings."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from masln.data import make_class_split
from masln.errors import ConfigError, DataError
from masln.evaluation import Protocol, retrieval_map
from masln.experiments import fit_selected
from masln.losses import maximum_mean_discrepancy_loss, quadruplet_loss
from masln.models import DADN
from masln.models.dadn import DADNNetwork
from masln.training import Batch, Runtime
from tests.conftest import make_pairs

CPU = Runtime(device="cpu")
SMALL: dict[str, Any] = {"hidden": (12,), "discriminator_hidden": (8, 6), "dropout": 0.0}


def network(**values: Any) -> DADNNetwork:
    torch.manual_seed(0)
    built = DADN(**SMALL | values)._build(24, 16, 4, 10)
    assert isinstance(built, DADNNetwork)
    return built


def batch(n: int = 9) -> Batch:
    draw = torch.Generator().manual_seed(1)
    labels = torch.arange(n) % 4
    return Batch(
        torch.randn(n, 24, generator=draw),
        torch.randn(n, 16, generator=draw),
        labels,
        torch.randn(4, 10, generator=draw)[labels],
    )


def layers_of(judge: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The input and both hidden layers of a discriminator, worked out by hand."""
    one = torch.relu(judge.layers[0](x))
    return torch.cat([x, one, torch.relu(judge.layers[2](one))], dim=1)


def logits_of(judge: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    return judge.layers[4](torch.relu(judge.layers[2](torch.relu(judge.layers[0](x)))))


def mmd(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return maximum_mean_discrepancy_loss(first, second, bandwidths=(2, 5, 10, 20, 40, 80))


def told(judge: torch.nn.Module, x: torch.Tensor, real: bool) -> torch.Tensor:
    logits = logits_of(judge, x)
    target = torch.ones_like(logits) if real else torch.zeros_like(logits)
    return functional.binary_cross_entropy_with_logits(logits, target)


def test_the_steps_are_the_losses_of_the_docstring_in_the_code_s_order():
    # Large weights: with small ones the codes of both modalities are too alike for a mix-up to show.
    net = network(distribution=0.3, metric=0.2, reconstruction=0.7, pull=3.0, initial_deviation=0.5)
    pairs = batch()
    x, c = {"image": pairs.image, "text": pairs.text}, pairs.class_embeddings
    z = {m: net.encoders[m](x[m]) for m in x}
    back = {m: net.decoders[m](z[m]) for m in x}
    of_embeddings, of_features = net.embedding_discriminators, net.feature_discriminators
    generate, reconstruct, discriminate = 0.0, 0.0, 0.0
    for m, other in (("image", "text"), ("text", "image")):
        own, theirs, given = (torch.cat([e, x[m]], dim=1) for e in (z[m], z[other], c))
        target = layers_of(of_embeddings[m], given)
        generate += 0.3 * mmd(layers_of(of_embeddings[m], own), target)
        generate += 0.3 * mmd(layers_of(of_embeddings[m], theirs), target)
        generate += 0.2 * quadruplet_loss(z[m], z["image"], z["text"], c, pairs.labels, pull=3.0)
        reconstruct += 0.7 * ((back[m] - x[m]) ** 2).sum(dim=1).mean()
        reconstruct += 0.3 * mmd(layers_of(of_features[m], back[m]), layers_of(of_features[m], x[m]))
        discriminate += told(of_embeddings[m], given, True)
        discriminate += told(of_embeddings[m], own, False) + told(of_embeddings[m], theirs, False)
        discriminate += told(of_features[m], x[m], True) + told(of_features[m], back[m], False)
    steps = list(net.objectives(pairs, 0.0))
    assert [step.group for step in steps] == ["generator", "generator", "generator", "discriminator"]
    for step, expected in zip(steps, (generate, generate, reconstruct, discriminate), strict=True):
        torch.testing.assert_close(step.loss.double(), expected.double(), rtol=1e-5, atol=1e-5)


def test_no_figure_is_told_twice_a_step():
    steps = list(network(embedding_steps=3).objectives(batch(), 0.0))
    told_figures = [name for step in steps for name in step.figures]
    assert sorted(told_figures) == ["adversarial", "distribution", "feature_distribution", "metric", "reconstruction"]
    assert len(steps) == 5


def test_each_update_sees_what_the_one_before_it_has_done():
    net = network(metric=0.0, reconstruction=0.0)
    objectives = net.objectives(batch(), 0.0)
    first = next(objectives).loss
    with torch.no_grad():
        for parameter in net.encoders.parameters():
            parameter.add_(0.1)
    assert not torch.isclose(next(objectives).loss, first)


@pytest.mark.parametrize(
    ("values", "absent"),
    [
        ({"distribution": 0.0}, {"embedding_discriminators", "feature_discriminators"}),
        ({"reconstruction": 0.0}, {"decoders", "feature_discriminators"}),
        ({"metric": 0.0}, set()),
    ],
)
def test_a_loss_that_is_off_has_no_parameters_and_no_figure(values, absent):
    net = network(**values)
    heads = {name.split(".")[0] for name, _ in net.named_parameters()}
    assert {"encoders", "decoders", "embedding_discriminators", "feature_discriminators"} - heads == absent
    figures = {name for step in net.objectives(batch(), 0.0) for name in step.figures}
    assert not figures & set(values)
    assert ("discriminator" in net.parameter_groups()) == ("distribution" not in values)


def test_initial_weights_have_the_deviation_that_is_asked_for():
    net = network(hidden=(400, 400), initial_deviation=0.02)
    weight, bias = net.encoders["image"][2].weight, net.encoders["image"][2].bias
    assert float(weight.detach().std()) == pytest.approx(0.02, rel=0.02) and not bias.any()


def test_the_codes_of_seen_classes_come_near_their_class_embeddings(pairs):
    """Nearer to their own than half the way to the mean of all, on the training pairs."""
    method = DADN(**SMALL | {"hidden": (64,)}, epochs=60, batch_size=32).fit(pairs, runtime=CPU)
    c = pairs.class_embeddings[pairs.labels]
    spread = ((c - c.mean(axis=0)) ** 2).sum(axis=1).mean()
    for codes in (method.encode_image(pairs.image), method.encode_text(pairs.text)):
        assert codes.shape == c.shape and ((codes - c) ** 2).sum(axis=1).mean() < spread / 4
    first, last = method.history_[0], method.history_[-1]
    assert last["reconstruction"] < first["reconstruction"] and last["metric"] < first["metric"]


def test_seen_and_unseen_classes_are_retrieved_far_above_chance():
    pairs = make_pairs(classes=12, per_class=20, seed=3)
    split = make_class_split(pairs.class_names, seed=1)
    values = {"epochs": 30, "batch_size": 32, "hidden": (64,), "discriminator_hidden": (64, 32)}
    method, _ = fit_selected("dadn", values, pairs, split, protocol=Protocol(), runtime=CPU, seed=0, select=False)
    scores = {}
    for part, classes in (("seen", split.seen), ("unseen", split.unseen)):
        held_out = pairs.of_classes(classes, pairs.rows("test"))
        codes = method.encode_image(held_out.image), method.encode_text(held_out.text)
        scores[part] = float(np.mean(retrieval_map(*codes, held_out.labels)))
    assert scores["seen"] > 0.8  # chance: .24
    assert scores["unseen"] > 0.45  # chance: .24


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hidden": (0,)}, r"hidden must be positive, got \(0,\)"),
        ({"bandwidths": (2, 0)}, r"bandwidths must be positive, got \(2, 0\)"),
        ({"bandwidths": ()}, "bandwidths is empty: no kernel to compare distributions by"),
        ({"embedding_steps": 0}, "embedding_steps must be positive, got 0"),
        ({"pull": -1.0}, "pull must not be negative, got -1.0"),
        ({"dropout": 1.0}, r"dropout 1.0 must lie in \[0, 1\)"),
        ({"distribution": 0.0, "metric": 0.0}, "are both 0: nothing ties the codes to their classes"),
    ],
)
def test_bad_hyper_parameters_are_refused(values, message, pairs):
    with pytest.raises(ConfigError, match=message):
        DADN(**SMALL | values).fit(pairs, runtime=CPU)


def test_pairs_without_class_embeddings_are_refused(pairs):
    bare = dataclasses.replace(pairs, class_embeddings=None)
    with pytest.raises(DataError, match="has none; make the bundle with class vectors") as caught:
        DADN(**SMALL).fit(bare, runtime=CPU)
    assert "\n" not in str(caught.value)
