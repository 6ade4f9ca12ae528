"""VGG-19 fc7 against a forward written out with torch's functions, on weights in torchvision's names."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
import torch

from masln.errors import DataError, MissingExtraError
from masln.features import vgg
from masln.features.vgg import VGG19FC7
from tests.features.tiny_models import save_small_vgg

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A 16th of the channels; the full one has 140 million weights."""
    monkeypatch.setattr(vgg, "_PLAN", [n // 16 if isinstance(n, int) else n for n in vgg._PLAN])
    monkeypatch.setattr(vgg, "_HIDDEN", 24)
    return save_small_vgg(tmp_path / "vgg.pth"), tmp_path / "vgg.pth"


def direct(state, pixels) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of 2, 2, 4, 4 and 4 convolutions by the positions torchvision gives them, then two layers."""
    functional = torch.nn.functional
    signal = torch.tensor(pixels)[None]
    for block in ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28, 30, 32, 34)):
        for at in block:
            weight, bias = state[f"features.{at}.weight"], state[f"features.{at}.bias"]
            signal = functional.relu(functional.conv2d(signal, weight, bias, padding=1))
        signal = functional.max_pool2d(signal, 2)
    hidden = signal.flatten(1)
    for at in (0, 3):
        hidden = functional.relu(
            functional.linear(hidden, state[f"classifier.{at}.weight"], state[f"classifier.{at}.bias"])
        )
    return hidden[0].numpy(), signal[0].flatten(1).T.numpy()


def test_it_is_the_direct_forward(small):
    state, file = small
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, size, dtype=np.uint8) for size in ((256, 300, 3), (400, 260, 3))]
    expected = []
    for picture in pictures:
        image = Image.fromarray(picture)
        if min(image.size) != 256:
            image = image.resize((256, int(400 * 256 / 260)), Image.BILINEAR)
        left, top = (image.width - 224) // 2, round((image.height - 224) / 2)
        middle = np.asarray(image)[top : top + 224, left : left + 224].astype(np.float32) / 255
        normal = (middle - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
        expected.append(direct(state, normal.transpose(2, 0, 1)))
    for layout, values in zip(("global", "regions"), zip(*expected, strict=True), strict=True):
        extractor = VGG19FC7(weights=file, layout=layout)
        np.testing.assert_allclose(extractor.transform(pictures), np.stack(values), rtol=1e-4, atol=1e-5)


def test_safetensors_give_the_same(small, tmp_path):
    from safetensors.torch import save_file

    state, file = small
    save_file(state, tmp_path / "vgg.safetensors")
    picture = np.random.default_rng(1).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    extractors = [VGG19FC7(weights=path) for path in (file, tmp_path / "vgg.safetensors")]
    np.testing.assert_array_equal(*(extractor.transform([picture]) for extractor in extractors))


def test_its_plan_is_that_of_the_paper():
    """16 convolutions and 3 fully connected layers, 143,667,240 weights with the 1000 classes (ours stops at fc7)."""
    channels, weights = 3, 0
    for layer in (layer for layer in vgg._PLAN if isinstance(layer, int)):
        weights, channels = weights + 9 * channels * layer + layer, layer
    weights += 25088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000
    assert weights == 143_667_240 and vgg._PLAN.count("max") == 5
    assert VGG19FC7().dim == 4096 and VGG19FC7(layout="regions").shape == (49, 512)


def test_weights_of_another_network_are_refused(small, tmp_path):
    state, _ = small
    del state["features.0.bias"]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"other\.pth: not the weights of VGG-19.*features\.0\.bias"):
        VGG19FC7(weights=tmp_path / "other.pth").transform([np.zeros((9, 9), np.uint8)])


def test_without_torchvision_and_without_a_file_it_says_what_to_do(monkeypatch):
    if importlib.util.find_spec("torchvision") is not None:
        monkeypatch.setitem(sys.modules, "torchvision", None)
        monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(MissingExtraError, match=r"needs torchvision, .* or give the file vgg19-dcbb9e9d\.pth"):
        VGG19FC7().transform([np.zeros((9, 9), np.uint8)])
