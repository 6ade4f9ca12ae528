"""Every registered method as ONNX: its graph gives its codes, whatever the number of rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from masln.errors import CheckpointError, ConfigError, MissingExtraError
from masln.models import OPSET, OnnxEncoder, make_method, method_resolver, onnx_graph
from masln.training import Runtime
from tests.conftest import make_pairs, make_sequences
from tests.models.test_method_contract import SMALL

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
CPU = Runtime(device="cpu")
#: Its codes are drawn by position.
WITHOUT_ENCODER = {"chance"}
PAIRS = make_pairs()


class Together(nn.Module):
    """Encoders side by side: each export costs seconds before it comes to its first node."""

    def __init__(self, encoders: dict[str, nn.Module]) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        inputs = (features,) if mask is None else (features, mask)
        return torch.cat([encoder(*inputs) for encoder in self.encoders.values()], dim=1)


def load(content: bytes, folder: Path) -> OnnxEncoder:
    (folder / "encoder.onnx").write_bytes(content)
    return OnnxEncoder(folder / "encoder.onnx", threads=1)


def test_the_graph_of_every_method_gives_its_codes(tmp_path):
    fitted = {
        name: make_method(name, **SMALL[name]).fit(PAIRS, runtime=CPU)
        for name in sorted(set(method_resolver.lookup_dict) - WITHOUT_ENCODER)
    }
    fitted["polynomial"] = make_method("kcca", **SMALL["kcca"], kernel="polynomial").fit(PAIRS)
    together = Together({name: method.encoder_module("image") for name, method in fitted.items()})
    graph = load(onnx_graph(together, "image", (24,), masked=False, metadata={"modality": "image"}), tmp_path)
    codes = [graph.encode(PAIRS.image[:1]), graph.encode(PAIRS.image[1:])]
    found, expected = np.concatenate(codes), {name: own.encode_image(PAIRS.image) for name, own in fitted.items()}
    ends = np.cumsum([own.shape[1] for own in expected.values()])
    for (name, own), part in zip(expected.items(), np.split(found, ends[:-1], axis=1), strict=True):
        np.testing.assert_allclose(part, own, atol=1e-5, err_msg=name)
    assert fitted["cca"].scalings_["image"].mean.dtype == torch.float64, "the method is left as it was"


@pytest.mark.parametrize("name", sorted(WITHOUT_ENCODER))
def test_a_method_without_encoder_says_so(name):
    with pytest.raises(ConfigError, match="has no encoder: its codes are no function of the features"):
        make_method(name).fit(PAIRS).encoder_module("text")


def test_sequences_keep_their_mask_and_the_file_tells_what_it_is(tmp_path):
    pairs = make_sequences(classes=4, per_class=8)
    settings = {"bilstm": {"layers": 2}, "transformer": {"text_context": "transformer", "text_pooling": "attention"}}
    fitted = {
        kind: make_method("fusionembedding", **SMALL["fusionembedding"] | own, input_scaling="pca:5").fit(
            pairs, runtime=CPU
        )
        for kind, own in settings.items()
    }
    name = "attentionmatching"
    fitted[name] = make_method(name, **SMALL[name]).fit(pairs, runtime=CPU)
    together = Together({kind: method.encoder_module("text") for kind, method in fitted.items()})
    content = onnx_graph(together, "text", (7, 16), masked=True, metadata={"modality": "text", "method": "several"})
    graph = load(content, tmp_path)
    text, mask = pairs.text.copy(), pairs.text_mask[:, ::-1].copy()  # real positions last, which no dataset has
    text[~mask] = np.nan
    expected = np.concatenate([method.encode_text(text, mask) for method in fitted.values()], axis=1)
    np.testing.assert_allclose(graph.encode(text, mask), expected, atol=1e-5)
    assert graph.metadata == {"modality": "text", "method": "several"}
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    dimensions = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert dimensions == {"text": ["batch", 7, 16], "text_mask": ["batch", 7], "code": ["batch", 18]}
    assert {(own.domain, own.version) for own in model.opset_import if own.domain == ""} == {("", OPSET)}
    assert b".py" not in content and str(Path.home()).encode() not in content, "no file of this machine is named"


def test_what_has_no_form_in_onnx_is_refused_in_one_line():
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.eigvals(x.T @ x).real + x

    with pytest.raises(ConfigError, match="the image encoder has no form in ONNX: ") as caught:
        onnx_graph(Odd(), "image", (4,), masked=False, metadata={})
    assert "\n" not in str(caught.value)


def test_files_that_are_none_are_refused_in_one_line(tmp_path):
    for content in (b"", b"no graph"):
        with pytest.raises(CheckpointError, match=r"encoder\.onnx cannot be loaded .*; export it again") as caught:
            load(content, tmp_path)
        assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        OnnxEncoder(tmp_path / "nowhere.onnx")


def test_without_the_extra_the_message_names_it(monkeypatch):
    monkeypatch.setattr("masln.models.onnx_encoder.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"needs onnx, .*masln\[export\]"):
        onnx_graph(nn.Identity(), "image", (4,), masked=False, metadata={})
