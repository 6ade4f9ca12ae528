"""The contract of methods that have a code for a class itself: what it is like, and that it finds unseen classes."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import cosine_similarity
from torch.nn.functional import normalize

from masln.data import PairedDataset
from masln.errors import DataError
from masln.models import ClassEncoder, Method, load_method, make_method, method_resolver
from masln.training import Runtime
from tests.conftest import make_pairs

SEEN, CLASSES = 30, 36
FAST = {"batch_size": 120, "learning_rate": 1e-2, "hidden": (32,)}
SMALL: dict[str, dict[str, Any]] = {
    "eszsl": {},
    "sae": {},
    "cadavae": FAST | {"epochs": 20, "code_width": 8, "class_hidden": (32,), "decoder_hidden": (32,)},
    "dadn": FAST | {"epochs": 6, "discriminator_hidden": (8, 4)},
    "jfse": FAST | {"epochs": 12, "noise_width": 4, "discriminator_hidden": (8,), "critic_steps": 2},
}
DECLARED = sorted(name for name, cls in method_resolver.lookup_dict.items() if issubclass(cls, ClassEncoder))


@cache
def pairs() -> PairedDataset:
    return make_pairs(classes=CLASSES, per_class=8)


@cache
def fitted(name: str) -> Method:
    return make_method(name, **SMALL[name]).fit(pairs().of_classes(range(SEEN)), runtime=Runtime(device="cpu"))


@pytest.fixture(params=DECLARED)
def name(request) -> str:
    return request.param


def test_those_that_declare_it_are_the_ones_whose_equations_have_a_code_for_a_class():
    assert sorted(SMALL) == DECLARED


def test_a_class_has_a_finite_code_as_wide_as_an_item_and_always_the_same(name, tmp_path):
    method, vectors = fitted(name), pairs().class_embeddings
    codes = method.encode_class(vectors)
    assert codes.dtype == np.float32 and np.isfinite(codes).all()
    assert codes.shape == (CLASSES, method.encode_image(pairs().image[:1]).shape[1])
    torch.manual_seed(5)
    np.testing.assert_array_equal(method.encode_class(vectors), codes)
    np.testing.assert_allclose(method.encode_class(vectors[3:4]), codes[3:4], rtol=1e-5, atol=1e-6)
    method.save(tmp_path)
    np.testing.assert_array_equal(load_method(tmp_path).encode_class(vectors), codes)


@pytest.mark.parametrize("modality", ["image", "text"])
def test_its_code_finds_the_items_of_a_class_that_nobody_trained_on(name, modality):
    method, unseen = fitted(name), pairs().of_classes(range(SEEN, CLASSES))
    items = method.encode_image(unseen.image) if modality == "image" else method.encode_text(unseen.text)
    scores = cosine_similarity(method.encode_class(unseen.class_embeddings), items)
    found = [average_precision_score(unseen.labels == own, scores[own]) for own in range(CLASSES - SEEN)]
    assert np.mean(found) > 0.5, "a random order gives about .25"


def test_codes_of_classes_are_what_the_equations_say():
    vectors, seen = pairs().class_embeddings.astype(np.float64), pairs().of_classes(range(SEEN))
    for name in ("eszsl", "dadn"):
        np.testing.assert_allclose(fitted(name).encode_class(vectors), vectors, rtol=1e-6)
    of_items = vectors[seen.labels]
    unit = vectors / np.sqrt((of_items**2).sum(axis=1).mean())
    np.testing.assert_allclose(fitted("sae").encode_class(vectors), unit, rtol=1e-6)
    least, greatest = vectors[:SEEN].min(axis=0), vectors[:SEEN].max(axis=0)
    np.testing.assert_allclose(
        fitted("jfse").encode_class(vectors), (vectors - least) / (greatest - least), rtol=1e-4, atol=1e-5
    )
    network = fitted("cadavae").network_
    mean = network.encoders["class"].layers(normalize(torch.from_numpy(vectors)).float())[:, :8]
    np.testing.assert_allclose(fitted("cadavae").encode_class(vectors), mean.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_what_is_no_class_embedding_is_refused(name):
    method = fitted(name)
    with pytest.raises(DataError, match=r"class embeddings must be \(n, 10\) as in training, got \(2, 7\)"):
        method.encode_class(np.ones((2, 7)))
    broken = np.ones((3, 10))
    broken[1, 2] = np.nan
    with pytest.raises(DataError, match="class embedding 1 is not finite"):
        method.encode_class(broken)
    with pytest.raises(NotFittedError):
        make_method(name).encode_class(np.ones((1, 10)))
