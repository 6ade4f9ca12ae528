"""Image towers through transformers: tiny models saved as real ones are, loaded, and held against a direct forward."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from masln.errors import ConfigError, DataError, MissingExtraError
from masln.features.hf_vision import HFVision
from masln.features.images import list_images
from tests.features.tiny_models import KINDS, save_model

pytest.importorskip("transformers")
Image = pytest.importorskip("PIL.Image")

# Width of the pooled feature and of a region, regions, and the tokens before them.
SHAPES = {
    "resnet": (12, 12, 16, 0),
    "vit": (16, 16, 16, 1),
    "vit-classifier": (16, 16, 16, 1),
    "dinov2": (16, 16, 4, 1),
    "dinov2-registers": (16, 16, 4, 5),
    "clip": (6, 16, 16, 1),
    "clip-tower": (16, 16, 16, 1),
    "clip-projected": (6, 16, 16, 1),
    "siglip": (16, 16, 16, 0),
    "siglip-tower": (16, 16, 16, 0),
}


@pytest.fixture(scope="module")
def photos(shared_data):
    return list_images(shared_data / "rsicd" / "photos")[::100]


def direct(kind: str, model, processor, path) -> tuple[np.ndarray, np.ndarray]:
    """The pooled feature and the regions of one photo, by the model as it was before it was saved."""
    with Image.open(path) as opened, torch.no_grad():
        pixels = processor(images=[opened.convert("RGB")], return_tensors="pt")["pixel_values"]
        if kind in ("clip", "siglip"):
            output = model.vision_model(pixel_values=pixels)
            pooled = model.visual_projection(output.pooler_output) if kind == "clip" else output.pooler_output
        elif kind == "vit-classifier":
            output = model.vit(pixel_values=pixels)
            pooled = output.last_hidden_state[:, 0]
        else:
            output = model(pixel_values=pixels)
            pooled = output.image_embeds if kind == "clip-projected" else output.get("pooler_output")
            if kind == "vit":
                pooled = output.last_hidden_state[:, 0]
        states = output.last_hidden_state[0]
        if kind == "resnet":
            return pooled[0, :, 0, 0].numpy(), np.stack([states[:, y, x] for y in range(4) for x in range(4)])
        return pooled[0].numpy(), states[SHAPES[kind][3] :].numpy()


def test_every_kind_is_tested():
    assert set(SHAPES) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_direct_forward_on_real_photos(tmp_path, photos, kind):
    model, processor = save_model(kind, tmp_path)
    pooled, regions = zip(*(direct(kind, model, processor, path) for path in photos), strict=True)
    for layout, expected in (("global", pooled), ("regions", regions)):
        extractor = HFVision(model=str(tmp_path), layout=layout)
        width, region_width, count, _ = SHAPES[kind]
        assert extractor.shape == ((width,) if layout == "global" else (count, region_width))
        np.testing.assert_allclose(extractor.transform(photos, batch_size=5), np.stack(expected), atol=1e-5)


def test_a_grey_photo_and_one_of_another_size(tmp_path):
    save_model("clip", tmp_path)
    values = HFVision(model=tmp_path).transform([np.zeros((9, 70), np.uint8), np.zeros((300, 20, 4), np.uint8)])
    assert values.shape == (2, 6)


class TestRefused:
    def test_no_model(self):
        with pytest.raises(ConfigError, match="hf-vision needs a model: a local directory or a hub name"):
            HFVision().transform([np.zeros((9, 9), np.uint8)])

    def test_a_model_of_another_kind(self, tmp_path):
        save_model("vit", tmp_path)
        config = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
        with pytest.raises(DataError, match=r"unknown kind of image model 'bert'.*known: .*siglip"):
            HFVision(model=tmp_path).transform([np.zeros((9, 9), np.uint8)])

    @pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
    def test_a_file_that_is_missing(self, tmp_path, name):
        save_model("vit", tmp_path)
        (tmp_path / name).unlink()
        with pytest.raises(DataError, match=str(tmp_path)) as raised:
            HFVision(model=tmp_path).transform([np.zeros((9, 9), np.uint8)])
        assert "\n" not in str(raised.value)

    def test_weights_that_are_a_pickle(self, tmp_path):
        model, _ = save_model("vit", tmp_path)
        (tmp_path / "model.safetensors").unlink()
        torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
        with pytest.raises(DataError, match="safetensors"):
            HFVision(model=tmp_path).transform([np.zeros((9, 9), np.uint8)])

    def test_weights_that_are_not_all_there(self, tmp_path):
        """Transformers would fill them with random numbers, without an error."""
        from safetensors.torch import load_file, save_file

        save_model("dinov2", tmp_path)
        state = load_file(tmp_path / "model.safetensors")
        del state["layernorm.weight"]
        save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(DataError, match=r"layernorm\.weight"):
            HFVision(model=tmp_path).transform([np.zeros((9, 9), np.uint8)])

    def test_a_processor_of_another_size(self, tmp_path):
        _, processor = save_model("vit", tmp_path)
        processor.size = {"height": 40, "width": 40}
        processor.save_pretrained(tmp_path)
        with pytest.raises(DataError, match="does not take what its own processor gives"):
            HFVision(model=tmp_path).transform([np.zeros((9, 9), np.uint8)])

    def test_a_processor_that_keeps_each_picture_its_shape(self, tmp_path):
        _, processor = save_model("resnet", tmp_path)
        processor.do_resize = False
        processor.save_pretrained(tmp_path)
        with pytest.raises(DataError, match="one size for all pictures is needed"):
            HFVision(model=tmp_path).transform([np.zeros((9, 9), np.uint8)])

    def test_without_transformers(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "transformers", None)
        with pytest.raises(MissingExtraError, match=r"transformers.*masln\[features\]"):
            HFVision(model=str(tmp_path)).transform([np.zeros((9, 9), np.uint8)])
