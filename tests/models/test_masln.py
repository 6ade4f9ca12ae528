from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from masln.data import PairedDataset, make_class_split
from masln.errors import ConfigError, DataError
from masln.evaluation import Protocol, retrieval_map
from masln.experiments import fit_selected
from masln.losses import adversarial_loss
from masln.models import ADVERSARIES, CCA, MASLN, Chance
from masln.models.masln import MASLNNetwork
from masln.nn import reversal_schedule
from masln.training import Batch, Runtime
from tests.conftest import make_pairs

PARTS = ("encoders.image", "encoders.text", "decoders", "classifier", "discriminator")
ENCODERS = {"encoders.image", "encoders.text"}
# Which parts each loss gives a gradient to: DESIGN section 2, "encoders, decoders and classifier minimise ...".
MOVES = {
    "reconstruction": ENCODERS | {"decoders"},
    "correlation": ENCODERS,
    "classification": ENCODERS | {"classifier"},
    "adversarial": ENCODERS | {"discriminator"},
}
SMALL: dict[str, Any] = {
    "code_width": 6,
    "canonical_width": 4,
    "hidden": (12,),
    "decoder_hidden": (10,),
    "discriminator_hidden": (5,),
    "input_dropout": 0.0,
}
OFF = dict.fromkeys(MASLN.LOSSES, 0.0)
CPU = Runtime(device="cpu")


def network(**values: Any) -> MASLNNetwork:
    torch.manual_seed(0)
    method = MASLN(**SMALL | values)
    built = method._build(24, 16, 6, 10)
    assert isinstance(built, MASLNNetwork)
    return built


def batch(n: int = 9) -> Batch:
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(n) % 6
    vectors = torch.randn(6, 10, generator=generator)
    return Batch(
        torch.randn(n, 24, generator=generator), torch.randn(n, 16, generator=generator), labels, vectors[labels]
    )


def gradients(net: MASLNNetwork, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    names, parameters = zip(*net.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return {name: gradient for name, gradient in zip(names, found, strict=True) if gradient is not None}


def moved_parts(found: dict[str, torch.Tensor]) -> set[str]:
    return {part for part in PARTS for name, g in found.items() if name.startswith(part) and bool(g.abs().sum() > 0)}


def applied(net: MASLNNetwork, progress: float = 0.5) -> dict[str, dict[str, torch.Tensor]]:
    """The gradients that the loop would hand to each group's optimiser."""
    names = {id(p): name for name, p in net.named_parameters()}
    groups = net.parameter_groups()
    result: dict[str, dict[str, torch.Tensor]] = {}
    for objective in net.objectives(batch(), progress):
        group = groups[objective.group]
        found = torch.autograd.grad(objective.loss, group, retain_graph=True, allow_unused=True)
        result[objective.group] = {names[id(p)]: g for p, g in zip(group, found, strict=True) if g is not None}
    return result


@pytest.mark.parametrize("adversary", ADVERSARIES)
@pytest.mark.parametrize("loss", MASLN.LOSSES)
def test_each_loss_gives_gradients_to_the_parts_it_should_and_no_other(loss, adversary):
    """Each loss taken from the figures of a full network, before any weight is applied."""
    net = network(adversary=adversary, **dict.fromkeys(MASLN.LOSSES, 1.0))
    figures: dict[str, torch.Tensor] = {}
    for objective in net.objectives(batch(), 0.5):
        figures |= objective.figures
    moved = moved_parts(gradients(net, figures[loss]))
    if loss == "adversarial" and adversary == "alternating":
        assert moved == {"discriminator"}  # of detached codes; the encoders' side is tested below
    else:
        assert moved == MOVES[loss]


@pytest.mark.parametrize("loss", ["reconstruction", "correlation", "classification"])
def test_a_single_loss_trains_its_parts_and_builds_no_other(loss):
    pairs = make_pairs(classes=3, per_class=8)
    method = MASLN(**SMALL | OFF | {loss: 1.0, "epochs": 1, "batch_size": 8, "weight_decay": 0.0})
    torch.manual_seed(method.seed)
    before = {name: p.clone() for name, p in method._build(24, 16, 3, 10).state_dict().items()}
    method.fit(pairs, runtime=CPU)
    after = method.network_.state_dict()
    assert set(after) == set(before)
    moved = {part for part in PARTS for name in after if name.startswith(part) and not after[name].equal(before[name])}
    assert moved == MOVES[loss] == {part for part in PARTS if any(name.startswith(part) for name in after)}
    assert set(method.history_[0]) == {"epoch", loss}


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_switched_off_losses_have_no_parameters(adversary):
    owners = {"reconstruction": "decoders", "classification": "classifier", "adversarial": "discriminator"}
    for loss, part in owners.items():
        names = [name for name, _ in network(adversary=adversary, **{loss: 0.0}).named_parameters()]
        assert not any(name.startswith(part) for name in names)
        assert any(name.startswith(part) for name, _ in network(adversary=adversary).named_parameters())
    assert "discriminator" not in network(adversary=adversary, adversarial=0.0).parameter_groups()


def adversarial_gradient(net: MASLNNetwork) -> dict[str, torch.Tensor]:
    """Of L_adv itself, written out."""
    pairs = batch()
    logits = [net.discriminator(net.encoders[name](getattr(pairs, name))) for name in ("image", "text")]
    return gradients(net, adversarial_loss(*logits))


def assert_close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name in found:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-6, msg=name)


def split(found: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    opponent = {name: g for name, g in found.items() if name.startswith("discriminator")}
    return {name: g for name, g in found.items() if name not in opponent}, opponent


def test_alternating_moves_encoders_against_and_the_discriminator_along_the_adversarial_loss():
    full, without = network(adversarial=0.7), network(adversarial=0.0)
    without.encoders.load_state_dict(full.encoders.state_dict())
    without.decoders.load_state_dict(full.decoders.state_dict())
    without.classifier.load_state_dict(full.classifier.state_dict())
    encoders, opponent = split(adversarial_gradient(full))
    handed, plain = applied(full), applied(without)
    assert list(handed) == ["generator", "discriminator"]
    assert moved_parts(handed["generator"]) == set(PARTS) - {"discriminator"}
    assert_close(handed["discriminator"], opponent)
    expected = {name: g - 0.7 * encoders[name] if name in encoders else g for name, g in plain["generator"].items()}
    assert_close(handed["generator"], expected)


def test_the_generator_step_leaves_the_discriminator_alone_and_the_other_way_round():
    net = network()
    optimisers = {name: torch.optim.SGD(p, lr=0.1) for name, p in net.parameter_groups().items()}
    for objective in net.objectives(batch(), 0.0):
        before = {name: p.clone() for name, p in net.named_parameters()}
        optimisers[objective.group].zero_grad()
        objective.loss.backward(inputs=net.parameter_groups()[objective.group])
        optimisers[objective.group].step()
        moved = {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}
        assert moved
        assert all(name.startswith("discriminator") == (objective.group == "discriminator") for name in moved)


@pytest.mark.parametrize("progress", [0.0, 0.1, 1.0])
def test_reversal_hands_the_encoders_the_negated_gradient_by_schedule(progress):
    full, without = network(adversarial=0.7, adversary="reversal"), network(adversarial=0.0, adversary="reversal")
    for part in ("encoders", "decoders", "classifier"):
        getattr(without, part).load_state_dict(getattr(full, part).state_dict())
    encoders, opponent = split(adversarial_gradient(full))
    handed, plain = applied(full, progress), applied(without, progress)
    assert list(handed) == ["generator"]
    strength = 0.7 * reversal_schedule(progress)
    expected = {
        name: g - strength * encoders[name] if name in encoders else g for name, g in plain["generator"].items()
    }
    assert_close(handed["generator"], expected | opponent)


def test_losses_are_those_of_the_paper_written_out():
    net, pairs = network(reconstruction=0.5, correlation=0.25, classification=2.0, adversarial=0.1), batch()
    objective = next(net.objectives(pairs, 0.0))
    image, text = net.encoders["image"](pairs.image), net.encoders["text"](pairs.text)
    rec = 0.0
    for code in (image, text):
        z = torch.cat([code, pairs.class_embeddings], dim=1)
        rec += ((net.decoders.image(z) - pairs.image) ** 2).sum(1).mean()
        rec += ((net.decoders.text(z) - pairs.text) ** 2).sum(1).mean()
    corr = ((image - text) ** 2).sum(1).mean()
    dis = 0.0
    for code in (image, text):
        p = torch.softmax(net.classifier(code), dim=1)
        dis -= 0.5 * torch.log(p[torch.arange(9), pairs.labels]).mean()
    d_image, d_text = (torch.sigmoid(net.discriminator(code)) for code in (image, text))
    adv = -0.5 * (torch.log(d_image).mean() + torch.log(1 - d_text).mean())
    for name, value in (("reconstruction", rec), ("correlation", corr), ("classification", dis)):
        assert objective.figures[name].item() == pytest.approx(value.item(), rel=1e-5)
    total = 0.5 * rec + 0.25 * corr + 2.0 * dis - 0.1 * adv
    assert objective.loss.item() == pytest.approx(total.item(), rel=1e-5)


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_discriminator_health_is_logged(adversary, pairs):
    method = MASLN(**SMALL, epochs=3, batch_size=32, adversary=adversary).fit(pairs, runtime=CPU)
    for event in method.history_:
        assert {"adversarial", "discriminator_accuracy", *MASLN.LOSSES} <= set(event)
        assert 0.0 <= event["discriminator_accuracy"] <= 1.0
        assert 0.0 < event["adversarial"] < 5 * math.log(2)


def standardised(codes: np.ndarray) -> np.ndarray:
    return (codes - codes.mean(axis=0)) / codes.std(axis=0)


def canonical_parts(method: MASLN, pairs: PairedDataset) -> list[np.ndarray]:
    width = method.canonical_width
    return [method.encode_image(pairs.image)[:, :width], method.encode_text(pairs.text)[:, :width]]


@pytest.mark.parametrize("scaling", ["center-l2", "l2/standardize"])
@pytest.mark.parametrize("ridge", [0.1, 100.0])
def test_the_canonical_part_is_ridge_cca_before_and_after_training(scaling, ridge, pairs):
    cca = CCA(ridge=ridge, n_components=4, input_scaling=scaling).fit(pairs)
    method = MASLN(**SMALL, canonical_ridge=ridge, input_scaling=scaling, epochs=3, batch_size=32)
    method.fit(pairs, runtime=CPU)
    expected = cca.encode_image(pairs.image), cca.encode_text(pairs.text)
    for codes, other in zip(canonical_parts(method, pairs), expected, strict=True):
        np.testing.assert_allclose(standardised(codes), standardised(other), atol=2e-3)


def test_canonical_width_0_is_the_plain_code_layer(pairs):
    method = MASLN(**SMALL | {"canonical_width": 0, "epochs": 1}).fit(pairs, runtime=CPU)
    assert method.encode_text(pairs.text).shape == (len(pairs), 6)
    assert not list(method.network_.encoders.buffers())


def test_many_pairs_give_the_directions_of_an_even_sample(pairs, monkeypatch):
    monkeypatch.setattr("masln.models.masln._MOST_PAIRS", 40)
    method = MASLN(**SMALL, epochs=1, input_scaling="none").fit(pairs, runtime=CPU)
    rows = np.linspace(0, len(pairs) - 1, 40).round().astype(int)
    cca = CCA(ridge=100.0, n_components=4, input_scaling="none").fit(pairs.take(rows))
    expected = cca.encode_image(pairs.image), cca.encode_text(pairs.text)
    for codes, other in zip(canonical_parts(method, pairs), expected, strict=True):
        np.testing.assert_allclose(standardised(codes), standardised(other), atol=2e-3)


def test_decoding_without_class_embeddings(pairs):
    bare = dataclasses.replace(pairs, class_embeddings=None)
    with pytest.raises(DataError, match="the dataset has none; set class_embedding=false"):
        MASLN(**SMALL, epochs=1).fit(bare, runtime=CPU)
    first = MASLN(**SMALL, epochs=1, class_embedding=False).fit(bare, runtime=CPU)
    second = MASLN(**SMALL, epochs=1, class_embedding=False).fit(pairs, runtime=CPU)
    np.testing.assert_array_equal(first.encode_image(pairs.image), second.encode_image(pairs.image))
    assert first.network_.decoders.image[0].in_features == 10
    MASLN(**SMALL, epochs=1, reconstruction=0.0).fit(bare, runtime=CPU)


def test_class_embeddings_reach_the_decoders(pairs):
    other = dataclasses.replace(pairs, class_embeddings=-pairs.class_embeddings)
    first, second = (MASLN(**SMALL, epochs=1).fit(p, runtime=CPU).encode_image(pairs.image) for p in (pairs, other))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (OFF, "are all 0: nothing to learn from"),
        (OFF | {"adversarial": 1.0}, "are all 0: nothing to learn from"),
        ({"correlation": -1.0}, "correlation must not be negative, got -1.0"),
        ({"adversary": "alternate"}, r"unknown adversary 'alternate' \(did you mean 'alternating'\?\)"),
        ({"encoder": "mpl"}, r"unknown encoder 'mpl' \(did you mean 'mlp'\?\)"),
        ({"input_scaling": "l3"}, "unknown input scaling 'l3'"),
        ({"code_width": 0}, "encoder widths must be positive"),
        ({"canonical_width": -1}, "canonical_width must not be negative, got -1"),
        ({"canonical_ridge": -0.5}, "canonical_ridge must not be negative, got -0.5"),
        ({"epochs": 0}, "epochs must be positive"),
        ({"decoder_hidden": (0,)}, "decoder_hidden must be positive"),
        ({"discriminator_hidden": (-1,)}, "discriminator_hidden must be positive"),
    ],
)
def test_bad_hyper_parameters_are_refused(values, message, pairs):
    with pytest.raises(ConfigError, match=message):
        MASLN(**SMALL | values).fit(pairs, runtime=CPU)


@pytest.mark.parametrize(
    "values",
    [
        {"code_width": "wide"},
        {"code_width": 6.5},
        {"hidden": 512},
        {"hidden": "512"},
        {"correlation": "strong"},
        {"correlation": None},
        {"input_dropout": "none"},
        {"learning_rate": "1e-3"},
        {"epochs": "ten"},
        {"class_embedding": "maybe"},
    ],
)
def test_hyper_parameters_of_the_wrong_type_are_refused_in_one_line(values, pairs):
    (name,) = values
    with pytest.raises(ConfigError, match=name.replace("_", ".")):
        MASLN(**SMALL | {"epochs": 1} | values).fit(pairs, runtime=CPU)


@pytest.mark.parametrize("encoder", ["linear", "mlp", "residual"])
@pytest.mark.parametrize("scaling", ["none", "standardize", "l2", "center-l2", "pca:8", "whiten:8"])
def test_every_encoder_and_scaling_trains(encoder, scaling, pairs, tmp_path):
    from masln.models import load_method

    method = MASLN(**SMALL | {"encoder": encoder, "input_scaling": scaling, "epochs": 1}).fit(pairs, runtime=CPU)
    method.save(tmp_path)
    np.testing.assert_array_equal(load_method(tmp_path).encode_text(pairs.text), method.encode_text(pairs.text))


def test_numpy_hyper_parameters_are_saved(pairs, tmp_path):
    """``for seed in np.arange(5)`` and ``np.linspace`` weights are what a study loops over."""
    for method in (MASLN(**SMALL, epochs=1, seed=np.int64(3), correlation=np.float64(0.5)), CCA(ridge=np.float64(0.1))):
        method.fit(pairs, runtime=CPU).save(tmp_path / type(method).__name__)


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_unseen_classes_are_retrieved_far_above_chance(adversary):
    pairs = make_pairs(classes=12, per_class=20, seed=3)
    split = make_class_split(pairs.class_names, seed=1)
    values = {
        "epochs": 25, "batch_size": 32, "hidden": (64,), "decoder_hidden": (64,), "code_width": 16,
        "adversary": adversary, "input_scaling": "center-l2", "patience": 25,
    }  # fmt: skip
    options = {"protocol": Protocol(), "runtime": CPU, "seed": 0}
    method, selection = fit_selected("masln", values, pairs, split, **options)
    assert 1 <= selection.hyperparameters["stop_epoch"] <= 25
    unseen = pairs.of_classes(split.unseen, pairs.rows("test"))

    def score(method: Any) -> float:
        both = method.encode_image(unseen.image), method.encode_text(unseen.text)
        return float(np.mean(retrieval_map(*both, unseen.labels)))

    chance = score(Chance().fit(pairs))
    assert score(method) > 2 * chance
    assert score(method) > 0.5
