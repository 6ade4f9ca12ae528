"""Which parts of a network each loss gives a gradient to, for every deep method, held against a table.

A new method adds its line to ``ROUTES``; nothing else here names a method.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch

from masln.models import DeepMethod, make_method, method_resolver
from masln.models.deep import TwoTower
from masln.training import Batch
from tests.models.test_method_contract import SMALL

D_IMAGE, D_TEXT, CLASSES, D_CLASS, PAIRS = 24, 16, 6, 10, 36
ENCODERS = ("encoders.image", "encoders.text")


class Route(NamedTuple):
    """What a method declares.

    Attributes:
        losses: The parts that each logged loss gives a gradient to, by its name among the figures.
        steps: The parts that each step updates, by the group that it names.
        values: Hyper-parameters beside those of the contract test.
    """

    losses: dict[str, tuple[str, ...]]
    steps: dict[str, tuple[str, ...]]
    values: dict[str, Any]


def one_step(losses: dict[str, tuple[str, ...]], **values: Any) -> Route:
    """A method whose losses are added up and move all that any of them moves."""
    return Route(losses, {"network": tuple(sorted({part for parts in losses.values() for part in parts}))}, values)


def corr_ae(variant: str, *routes: str) -> Route:
    decoders = tuple(f"decoders.{route}" for route in routes)
    losses = {"reconstruction": (*ENCODERS, *decoders), "correlation": ENCODERS}
    return one_step(losses, variant=variant)


MASLN = {
    "reconstruction": (*ENCODERS, "decoders.image", "decoders.text"),
    "correlation": ENCODERS,
    "classification": (*ENCODERS, "classifier"),
}
GENERATOR = (*ENCODERS, "classifier", "decoders.image", "decoders.text")
ACMR = {"triplet": ENCODERS, "classification": (*ENCODERS, "classifier")}
DECODERS = ("decoders.image", "decoders.text")
EMBEDDING_DISCRIMINATORS = ("embedding_discriminators.image", "embedding_discriminators.text")
FEATURE_DISCRIMINATORS = ("feature_discriminators.image", "feature_discriminators.text")
CRITICS = ("critics.image", "critics.text")
GENERATORS = ("generators.image", "generators.text")
VARIATIONAL = (*ENCODERS, "encoders.class")
SPECIFIC = ("specific.image", "specific.text")
DISCRIMINATORS = ("discriminators.image", "discriminators.text")
ATTENTION = ("matching.attention", "matching.fusion", "matching.pooling")


def attention_matching(kind: str, *scorer: str, **values: Any) -> Route:
    losses = {
        "contrastive": (*ENCODERS, "scales.contrastive"),
        "matching": (*ENCODERS, *scorer, *(() if kind == "triplet" else ("scales.matching",))),
    }
    return one_step(losses, matching_loss=kind, margin=1.0, **values)


ROUTES: dict[str, tuple[Route, ...]] = {
    "acmr": (
        Route(
            ACMR | {"adversarial": (*ENCODERS, "discriminator")},
            {"generator": (*ENCODERS, "classifier", "discriminator")},
            {"adversary": "reversal"},
        ),
        Route(
            ACMR | {"adversarial": ("discriminator",)},
            {"generator": (*ENCODERS, "classifier"), "discriminator": ("discriminator",)},
            {"adversary": "alternating", "triplets": "hinge"},
        ),
    ),
    "attentionmatching": (
        # A sum has no weights, and neither has a mean.
        attention_matching("softmax", *ATTENTION[:1]),
        attention_matching("triplet", *ATTENTION, fusion="gate", pooling="attention"),
        attention_matching("binary", *ATTENTION[:2], "threshold", fusion="concat", pooling="max"),
    ),
    "barlowtwins": (one_step({"cross_correlation": ENCODERS}),),
    "corrae": (
        corr_ae("own", "image_to_image", "text_to_text"),
        corr_ae("cross", "image_to_text", "text_to_image"),
        corr_ae("full", "image_to_image", "image_to_text", "text_to_image", "text_to_text"),
    ),
    "dadn": (
        # What the discriminators are moved by is of generated embeddings and features that are given, not made.
        Route(
            {
                "distribution": (*ENCODERS, *EMBEDDING_DISCRIMINATORS),
                "metric": ENCODERS,
                "reconstruction": (*ENCODERS, *DECODERS),
                "feature_distribution": (*ENCODERS, *DECODERS, *FEATURE_DISCRIMINATORS),
                "adversarial": (*EMBEDDING_DISCRIMINATORS, *FEATURE_DISCRIMINATORS),
            },
            {
                "generator": (*ENCODERS, *DECODERS),
                "discriminator": (*EMBEDDING_DISCRIMINATORS, *FEATURE_DISCRIMINATORS),
            },
            {},
        ),
    ),
    "dcca": (one_step({"canonical_correlation": ENCODERS}),),
    "dccae": (
        one_step(
            {
                "canonical_correlation": ENCODERS,
                "reconstruction": (*ENCODERS, "decoders.image", "decoders.text"),
            }
        ),
    ),
    "deepsm": (one_step({"classification": ENCODERS}),),
    "distillation": (
        one_step({"contrastive": ENCODERS, "teacher_distance": ENCODERS, "similarity": ENCODERS}),
        one_step(
            {"teacher_distance": ENCODERS, "relational_distance": ENCODERS, "relational_angle": ENCODERS},
            **{"contrastive": 0.0, "similarity": 0.0, "relational_distance": 1.0, "relational_angle": 2.0},
        ),
        one_step({"contrastive": ENCODERS}, teacher_distance=0.0, similarity=0.0),
    ),
    "dscmr": (one_step({"regression": (*ENCODERS, "classifier"), "discrimination": ENCODERS, "invariance": ENCODERS}),),
    "featuregan": (
        # The fooling is handed to the generators' group alone, though the discriminators take part in it.
        Route(
            {
                "alignment": ENCODERS,
                "correlation": ENCODERS,
                "classification": (*ENCODERS, "classifier"),
                "fooling": (*ENCODERS, *DISCRIMINATORS),
                "adversarial": DISCRIMINATORS,
            },
            {"generator": (*ENCODERS, "classifier"), "discriminator": DISCRIMINATORS},
            {},
        ),
    ),
    "infonce": (
        one_step({"info_nce": ENCODERS}, learn_temperature=False),
        one_step({"info_nce": (*ENCODERS, "logit_scale.log_scale")}, learn_temperature=True, memory=8),
    ),
    "fusionembedding": (
        one_step(
            {"triplet": ENCODERS, "classification": (*ENCODERS, "classifiers.image", "classifiers.text")},
        ),
        one_step({"triplet": ENCODERS}, classification=0.0, text_context="transformer", image_pooling="attention"),
    ),
    "jfse": (
        # Each step hands its figures to its own group alone, though others take part in them.
        Route(
            {
                "wasserstein": CRITICS,
                "gradient_penalty": CRITICS,
                "fooling": (*GENERATORS, *CRITICS),
                "cycle": (*GENERATORS, *ENCODERS),
                "embedding": ENCODERS,
                "alignment": ENCODERS,
                "adversarial": (*ENCODERS, "discriminator"),
                "synthetic_embedding": ENCODERS,
                "synthetic_alignment": ENCODERS,
                "synthetic_adversarial": (*ENCODERS, "discriminator"),
            },
            {"critic": CRITICS, "generator": GENERATORS, "encoder": (*ENCODERS, "discriminator")},
            {},
        ),
        Route(
            {"embedding": ENCODERS, "alignment": ENCODERS},
            {"encoder": ENCODERS},
            {"scheme": "cmca", "synthetic": 0.0, "adversarial": 0.0},
        ),
    ),
    "cadavae": (
        one_step(
            {
                "reconstruction": (*VARIATIONAL, *DECODERS, "decoders.class"),
                "divergence": VARIATIONAL,
                "cross_reconstruction": (*VARIATIONAL, *DECODERS, "decoders.class"),
                "alignment": VARIATIONAL,
                "cycle": (*VARIATIONAL, *DECODERS, "decoders.class"),
            },
            cycle=1.0,
        ),
    ),
    "masln": (
        # Of alternating updates, the figure is that of detached codes.
        Route(
            MASLN | {"adversarial": ("discriminator",)},
            {"generator": GENERATOR, "discriminator": ("discriminator",)},
            {"adversary": "alternating"},
        ),
        Route(
            MASLN | {"adversarial": (*ENCODERS, "discriminator")},
            {"generator": (*GENERATOR, "discriminator")},
            {"adversary": "reversal"},
        ),
    ),
    "mdvae": (
        one_step(
            {
                "reconstruction": (*ENCODERS, *SPECIFIC, *DECODERS),
                "cross_reconstruction": (*ENCODERS, *SPECIFIC, *DECODERS),
                "divergence": SPECIFIC,
                "alignment": (*ENCODERS, "fusion", "prior"),
                "fused_reconstruction": ("fusion", "prior", "fused_decoder"),
                "classification": ("fusion", "classifier"),
            }
        ),
    ),
    "siglip": (
        one_step({"sigmoid": (*ENCODERS, "logit_bias")}, learn_temperature=False),
        one_step({"sigmoid": (*ENCODERS, "logit_bias", "logit_scale.log_scale")}, learn_temperature=True),
    ),
    "softcca": (
        one_step(
            {
                "correlation": ENCODERS,
                "image_decorrelation": ENCODERS[:1],
                "text_decorrelation": ENCODERS[1:],
            }
        ),
    ),
    "supcon": (one_step({"supervised_contrastive": ENCODERS}, learn_temperature=False),),
    "triplet": (
        one_step({"triplet": ENCODERS}, negatives="semi-hard"),
        one_step({"triplet": ENCODERS}, class_positives=True, memory=8),
    ),
}
CASES = [(name, route) for name, routes in ROUTES.items() for route in routes]


def build(name: str, route: Route) -> tuple[TwoTower, Batch]:
    """A network as ``fit`` builds it, and a batch."""
    torch.manual_seed(0)
    method = make_method(name, **SMALL[name] | route.values)
    assert isinstance(method, DeepMethod)
    network = method._build(D_IMAGE, D_TEXT, CLASSES, D_CLASS)
    labels = torch.arange(PAIRS) % CLASSES
    vectors = torch.randn(CLASSES, D_CLASS)
    features = torch.randn(PAIRS, D_IMAGE), torch.randn(PAIRS, D_TEXT)
    teacher = torch.randn(PAIRS, 6), torch.randn(PAIRS, 6)
    mask = None
    if method.takes_sequences:  # what weighs positions has nothing to weigh where there is one
        features, mask = (torch.randn(PAIRS, 3, D_IMAGE), torch.randn(PAIRS, 4, D_TEXT)), torch.rand(PAIRS, 4) < 0.7
        mask[:, 0] = True
    return network, Batch(*features, labels, vectors[labels], mask, rows=torch.arange(PAIRS), teacher=teacher)


def part_of(parameter: str) -> str:
    """The part that a parameter belongs to: a child of the network, or a named one of its module dictionaries."""
    head, _, rest = parameter.partition(".")
    named = rest.split(".")[0]
    return f"{head}.{named}" if named and not named.isdigit() and named not in ("weight", "bias", "layers") else head


def moved(network: TwoTower, loss: torch.Tensor, parameters: dict[str, torch.nn.Parameter]) -> set[str]:
    """Parts with a parameter whose gradient of the loss is not 0 throughout."""
    found = torch.autograd.grad(loss, list(parameters.values()), retain_graph=True, allow_unused=True)
    return {part_of(name) for name, g in zip(parameters, found, strict=True) if g is not None and bool(g.any())}


def test_every_deep_method_declares_its_routes():
    deep = {name for name, cls in method_resolver.lookup_dict.items() if issubclass(cls, DeepMethod)}
    assert set(ROUTES) == deep


@pytest.mark.parametrize(("name", "route"), CASES)
def test_each_loss_gives_a_gradient_to_the_parts_it_declares_and_no_other(name, route):
    network, batch = build(name, route)
    parameters = dict(network.named_parameters())
    found: dict[str, set[str]] = {}
    for objective in network.objectives(batch, 0.5):
        for figure, value in objective.figures.items():
            if value.requires_grad:  # an accuracy has none
                found[figure] = moved(network, value, parameters)
    assert found == {loss: set(parts) for loss, parts in route.losses.items()}


@pytest.mark.parametrize(("name", "route"), CASES)
def test_each_step_updates_the_parts_it_declares_and_no_other(name, route):
    network, batch = build(name, route)
    groups, names = network.parameter_groups(), {id(p): n for n, p in network.named_parameters()}
    found: dict[str, set[str]] = {}
    for objective in network.objectives(batch, 0.5):
        own = {names[id(p)]: p for p in groups[objective.group]}
        found[objective.group] = found.get(objective.group, set()) | moved(network, objective.loss, own)
    assert found == {group: set(parts) for group, parts in route.steps.items()}


@pytest.mark.parametrize(("name", "route"), CASES)
def test_every_parameter_is_in_one_group_and_some_step_moves_it(name, route):
    network, _ = build(name, route)
    everything = dict(network.named_parameters())
    grouped = [id(p) for group in network.parameter_groups().values() for p in group]
    assert sorted(grouped) == sorted(id(p) for p in everything.values())
    declared = {part for parts in route.steps.values() for part in parts}
    assert {part_of(parameter) for parameter in everything} == declared
