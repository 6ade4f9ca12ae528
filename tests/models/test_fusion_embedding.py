"""Fusion embedding: its losses are those of its codes, words have an order and regions have none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from masln.errors import ConfigError
from masln.models import FusionEmbedding
from masln.models.fusion_embedding import FusionEmbeddingNetwork
from masln.training import Batch, Runtime
from tests.conftest import make_sequences

CPU = Runtime(device="cpu")
SMALL = {"code_width": 6, "width": 8, "heads": 2, "epochs": 1, "batch_size": 16}
PAIRS = make_sequences(classes=3, per_class=8)


def network(**values) -> FusionEmbeddingNetwork:
    torch.manual_seed(0)
    built = FusionEmbedding(**SMALL | values)._build(24, 16, 3, 0)
    assert isinstance(built, FusionEmbeddingNetwork)
    return built


def batch() -> Batch:
    tensors = (torch.from_numpy(values) for values in (PAIRS.image, PAIRS.text, PAIRS.labels))
    return Batch(*tensors, None, torch.from_numpy(PAIRS.text_mask))


@pytest.mark.parametrize("mask_same_class", [True, False])
def test_the_loss_is_that_of_its_codes(mask_same_class):
    net, pairs = network(mask_same_class=mask_same_class, classification=0.3, margin=0.4), batch()
    (objective,) = net.objectives(pairs, 0.0)
    image, text = net.encoders["image"](pairs.image), net.encoders["text"](pairs.text, pairs.text_mask)
    cosines = functional.cosine_similarity(image[:, None], text[None], dim=-1)
    hinges = []
    for similarities in (cosines, cosines.T):
        for i, row in enumerate(similarities):
            other = pairs.labels != pairs.labels[i] if mask_same_class else torch.arange(len(row)) != i
            hinges.append((0.4 + row[other].max() - row[i]).clamp(min=0))
    ranking = torch.stack(hinges).mean()
    telling = torch.stack(
        [
            functional.cross_entropy(net.classifiers[name](codes), pairs.labels)
            for name, codes in (("image", image), ("text", text))
        ]
    ).mean()
    torch.testing.assert_close(objective.figures["triplet"], ranking)
    torch.testing.assert_close(objective.figures["classification"], telling)
    torch.testing.assert_close(objective.loss, ranking + 0.3 * telling)


def test_without_its_weight_there_are_no_classifiers():
    net = network(classification=0.0)
    (objective,) = net.objectives(batch(), 0.0)
    assert set(objective.figures) == {"triplet"} and not len(net.classifiers)


@pytest.mark.parametrize("text_context", ["bilstm", "transformer"])
def test_words_have_an_order_and_regions_have_none(text_context):
    method = FusionEmbedding(
        **SMALL, text_context=text_context, image_context="transformer", text_pooling="mean", image_pooling="attention"
    ).fit(PAIRS, runtime=CPU)
    ones = np.ones(PAIRS.text.shape[:2], dtype=bool)
    image, text = method.encode_image(PAIRS.image), method.encode_text(PAIRS.text, ones)
    np.testing.assert_allclose(method.encode_image(PAIRS.image[:, ::-1]), image, rtol=1e-3, atol=1e-5)
    assert np.abs(method.encode_text(PAIRS.text[:, ::-1], ones) - text).max() > 1e-3


def test_a_network_of_any_parts_is_saved_by_its_hyper_parameters(tmp_path):
    from masln.models import load_method

    values = {"text_context": "transformer", "image_context": "bilstm", "layers": 2, "hidden": (5,), "dropout": 0.1}
    method = FusionEmbedding(**SMALL | values, text_pooling="attention", image_pooling="max").fit(PAIRS, runtime=CPU)
    method.save(tmp_path)
    np.testing.assert_array_equal(load_method(tmp_path).encode_image(PAIRS.image), method.encode_image(PAIRS.image))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"negatives": "hard"}, r"unknown negatives 'hard' \(did you mean 'hardest'\?\)"),
        ({"text_context": "lstm"}, r"unknown context 'lstm' \(did you mean 'bilstm'\?\)"),
        ({"image_pooling": "average"}, "unknown pooling 'average'"),
        ({"margin": -0.1}, "margin must not be negative, got -0.1"),
        ({"classification": -1.0}, "classification must not be negative, got -1.0"),
        ({"width": 9}, "a BiLSTM needs an even width"),
        ({"code_width": 0}, "must be positive, got 0"),
    ],
)
def test_what_cannot_be_is_refused_before_training(values, message):
    with pytest.raises(ConfigError, match=message):
        FusionEmbedding(**SMALL | values).check(PAIRS)


def test_pairs_of_one_class_alone_are_learned_by_their_classes():
    """No negative is left; the triplets add nothing and break nothing."""
    one = dataclasses.replace(PAIRS, labels=np.zeros(len(PAIRS), dtype=np.int64))
    method = FusionEmbedding(**SMALL).fit(one, runtime=CPU)
    assert method.history_[-1]["triplet"] == 0 and np.isfinite(method.encode_image(one.image)).all()
