"""Deep-SM, DSCMR and ACMR: what each loss moves, what the codes are, and that they learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from masln.data import make_class_split
from masln.errors import ConfigError, DataError
from masln.evaluation import Protocol, retrieval_map
from masln.experiments import fit_selected
from masln.losses import (
    adversarial_loss,
    classification_loss,
    cross_modal_triplet_loss,
    invariance_loss,
    label_regression_loss,
    pairwise_likelihood_loss,
    triplet_hinge_loss,
)
from masln.models import ADVERSARIES, TwoTower, make_method
from masln.nn import reversal_schedule
from masln.training import Batch, Runtime
from tests.conftest import make_pairs

CPU = Runtime(device="cpu")
SMALL: dict[str, dict[str, Any]] = {
    "deepsm": {"image_hidden": (12,), "text_hidden": (10,)},
    "dscmr": {"hidden_width": 12, "code_width": 5},
    "acmr": {"image_hidden": (12, 8), "text_hidden": (6, 8), "discriminator_hidden": (5, 4), "code_width": 5},
}


def network(name: str, **values: Any) -> TwoTower:
    torch.manual_seed(0)
    return make_method(name, **SMALL[name] | values)._build(24, 16, 4, 0)


def batch(n: int = 9) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(
        torch.randn(n, 24, generator=generator), torch.randn(n, 16, generator=generator), torch.arange(n) % 4, None
    )


def parts_of(net: TwoTower) -> dict[str, str]:
    """The part that each parameter belongs to, by its name."""
    return {
        name: ".".join(name.split(".")[: 2 if name.startswith("encoders") else 1]) for name, _ in net.named_parameters()
    }


def gradients(net: TwoTower, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    names, parameters = zip(*net.named_parameters(remove_duplicate=True), strict=True)
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return {name: gradient for name, gradient in zip(names, found, strict=True) if gradient is not None}


def test_dscmr_shares_its_code_layer_and_every_loss_reaches_it():
    net = network("dscmr")
    assert net.encoders["image"][-1] is net.encoders["text"][-1]
    assert not any(a is b for a in net.encoders["image"][:-1] for b in net.encoders["text"][:-1])
    figures = next(net.objectives(batch(), 0.0)).figures
    shared = net.encoders["image"][-1].weight
    for loss in ("regression", "discrimination", "invariance"):
        assert torch.autograd.grad(figures[loss], shared, retain_graph=True)[0].abs().sum() > 0


def test_dscmr_adds_up_the_paper_s_losses():
    net, pairs = network("dscmr", discrimination=0.3, invariance=0.2), batch()
    u, v = net.encoders["image"](pairs.image), net.encoders["text"](pairs.text)
    expected = (
        label_regression_loss(net.classifier(u), net.classifier(v), pairs.labels)
        + 0.3 * pairwise_likelihood_loss(u, v, pairs.labels)
        + 0.2 * invariance_loss(u, v)
    )
    torch.testing.assert_close(next(net.objectives(pairs, 0.0)).loss, expected)


@pytest.mark.parametrize("triplets", ["separate", "hinge"])
def test_acmr_adds_up_the_paper_s_losses(triplets):
    weights = {"triplet": 0.3, "classification": 0.2, "adversarial": 0.5}
    net = network("acmr", **weights, triplets=triplets, negative=0.7, positive=2.0, margin=0.6, adversary="alternating")
    pairs = batch()
    v, t = net.encoders["image"](pairs.image), net.encoders["text"](pairs.text)
    triplet = (
        cross_modal_triplet_loss(v, t, pairs.labels, negative=0.7, margin=0.6)
        if triplets == "separate"
        else triplet_hinge_loss(v, t, pairs.labels, positive=2.0, margin=0.6)
    )
    classification = classification_loss(net.classifier(v), net.classifier(t), pairs.labels)
    adversarial = adversarial_loss(net.discriminator(v), net.discriminator(t))
    generator, discriminator = net.objectives(pairs, 0.0)
    torch.testing.assert_close(generator.loss, 0.3 * triplet + 0.2 * classification - 0.5 * adversarial)
    torch.testing.assert_close(discriminator.loss, adversarial)
    assert all(codes.abs().max() < 1 for codes in (v, t)), "tanh"


@pytest.mark.parametrize("progress", [0.0, 0.2, 1.0])
def test_acmr_hands_the_encoders_the_reversed_gradient_that_its_script_leaves_out(progress):
    net, pairs = network("acmr", adversarial=0.7), batch()
    codes = net.encoders["image"](pairs.image), net.encoders["text"](pairs.text)
    adversarial = gradients(net, adversarial_loss(*map(net.discriminator, codes)))
    objective = next(net.objectives(pairs, progress))
    assert list(net.parameter_groups()) == [objective.group] == ["generator"]
    own = gradients(net, objective.figures["triplet"] + objective.figures["classification"])
    found = gradients(net, objective.loss)
    strength = 0.7 * reversal_schedule(progress)
    for name, gradient in found.items():
        expected = own.get(name, torch.zeros_like(gradient))
        if name in adversarial:
            expected = expected + adversarial[name] * (1.0 if name.startswith("discriminator") else -strength)
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6, msg=name)


def test_acmr_trains_its_classifier_which_its_script_does_not():
    pairs = make_pairs(classes=4)
    method = make_method("acmr", **SMALL["acmr"], epochs=1, weight_decay=0.0)
    torch.manual_seed(method.seed)
    before = method._build(24, 16, 4, 0).classifier.weight.clone()
    assert not torch.equal(method.fit(pairs, runtime=CPU).network_.classifier.weight, before)


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_acmr_without_a_loss_has_none_of_its_parameters(adversary):
    for loss, part in (("classification", "classifier"), ("adversarial", "discriminator")):
        net = network("acmr", **{loss: 0.0}, adversary=adversary)
        assert part not in parts_of(net).values()
        assert loss not in next(net.objectives(batch(), 0.5)).figures
    assert "triplet" not in next(network("acmr", triplet=0.0).objectives(batch(), 0.5)).figures


def test_deep_sm_trains_each_modality_apart_and_encodes_posteriors(pairs):
    method = make_method("deepsm", **SMALL["deepsm"], epochs=2).fit(pairs, runtime=CPU)
    for codes in (method.encode_image(pairs.image), method.encode_text(pairs.text)):
        np.testing.assert_allclose(codes.sum(axis=1), 1, rtol=1e-5)
        assert (codes > 0).all() and codes.shape[1] == len(pairs.class_names)
    shuffled = pairs.take(np.arange(len(pairs)))
    shuffled.text[:] = shuffled.text[::-1].copy()
    other = make_method("deepsm", **SMALL["deepsm"], epochs=2).fit(shuffled, runtime=CPU)
    np.testing.assert_array_equal(other.encode_image(pairs.image), method.encode_image(pairs.image))


def test_deep_sm_refuses_a_single_class():
    with pytest.raises(DataError, match="at least two classes to tell apart, got 1"):
        make_method("deepsm").fit(make_pairs(classes=1), runtime=CPU)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("deepsm", {"image_hidden": (0,)}, r"image_hidden must be positive, got \(0,\)"),
        ("deepsm", {"dropout": 1.0}, r"dropout 1.0 must lie in \[0, 1\)"),
        ("dscmr", {"hidden_width": 0}, "hidden_width must be positive, got 0"),
        ("dscmr", {"invariance": -1.0}, "invariance must not be negative, got -1.0"),
        ("dscmr", {"discrimination": float("nan")}, "discrimination must not be negative, got nan"),
        ("acmr", {"code_width": -1}, "code_width must be positive, got -1"),
        ("acmr", {"margin": -1.0}, "margin must not be negative, got -1.0"),
        ("acmr", {"triplets": "hinges"}, r"unknown kind of triplets 'hinges' \(did you mean 'hinge'\?\)"),
        ("acmr", {"adversary": "reverse"}, r"unknown adversary 'reverse' \(did you mean 'reversal'\?\)"),
        ("acmr", {"triplet": 0.0, "classification": 0.0}, "are both 0: nothing to learn from"),
    ],
)
def test_bad_hyper_parameters_are_refused(name, values, message, pairs):
    with pytest.raises(ConfigError, match=message):
        make_method(name, **SMALL[name] | values).fit(pairs, runtime=CPU)


VARIANTS = [
    ("deepsm", {"epochs": 30, "learning_rate": 1e-2}),
    ("dscmr", {"epochs": 30, "hidden_width": 64, "code_width": 32, "learning_rate": 1e-3}),
    ("acmr", {"epochs": 30, "learning_rate": 1e-3}),
    ("acmr", {"epochs": 30, "learning_rate": 1e-3, "adversary": "alternating", "triplets": "hinge"}),
    ("featuregan", {"epochs": 20, "code_width": 32}),
]


@pytest.mark.parametrize(("name", "values"), VARIANTS)
def test_seen_and_unseen_classes_are_retrieved_far_above_chance(name, values):
    pairs = make_pairs(classes=12, per_class=20, seed=3)
    split = make_class_split(pairs.class_names, seed=1)
    values = values | {"batch_size": 32, "input_scaling": "center-l2"}
    method, _ = fit_selected(name, values, pairs, split, protocol=Protocol(), runtime=CPU, seed=0)
    scores = {}
    for part, classes in (("seen", split.seen), ("unseen", split.unseen)):
        held_out = pairs.of_classes(classes, pairs.rows("test"))
        codes = method.encode_image(held_out.image), method.encode_text(held_out.text)
        scores[part] = float(np.mean(retrieval_map(*codes, held_out.labels)))
    assert scores["seen"] > 0.9  # chance: .24
    assert scores["unseen"] > 0.45  # chance: .24


def test_numpy_hyper_parameters_are_taken(pairs, tmp_path):
    """As ``np.arange`` and ``np.linspace`` give them."""
    values = {"code_width": np.int64(5), "hidden_width": np.int64(8), "invariance": np.float64(0.2), "epochs": 1}
    make_method("dscmr", **values).fit(pairs, runtime=CPU).save(tmp_path)
