from __future__ import annotations

import pytest
import torch

from masln.errors import ConfigError
from masln.models import CorrAE
from masln.models.corr_ae import CORRESPONDENCES, CorrAENetwork
from masln.training import Batch, Runtime

CPU = Runtime(device="cpu")
SMALL = {"code_width": 5, "hidden": (12,), "decoder_hidden": (7,), "epochs": 1}


def network(**values) -> CorrAENetwork:
    torch.manual_seed(0)
    built = CorrAE(**SMALL | values)._build(24, 16, 6, 10)
    assert isinstance(built, CorrAENetwork)
    return built


def batch(n: int = 9) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(torch.randn(n, 24, generator=generator), torch.randn(n, 16, generator=generator), torch.zeros(n), None)


@pytest.mark.parametrize("variant", CORRESPONDENCES)
def test_the_loss_is_that_of_the_paper_written_out(variant):
    net, pairs = network(variant=variant, alpha=0.3), batch()
    (objective,) = net.objectives(pairs, 0.0)
    p, q = pairs.image, pairs.text
    f, g = net.encoders["image"](p), net.encoders["text"](q)
    D = net.decoders

    def error(target: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
        return (target - decoded).square().sum(dim=1).mean()

    rec = torch.zeros(())
    if variant in ("own", "full"):
        rec = rec + error(p, D["image_to_image"](f)) + error(q, D["text_to_text"](g))
    if variant in ("cross", "full"):
        rec = rec + error(q, D["image_to_text"](f)) + error(p, D["text_to_image"](g))
    corr = error(f, g)
    expected = {"reconstruction": float(rec.detach()), "correlation": float(corr.detach())}
    assert {name: float(v.detach()) for name, v in objective.figures.items()} == pytest.approx(expected, rel=1e-5)
    assert float(objective.loss.detach()) == pytest.approx(float((0.7 * rec + 0.3 * corr).detach()), rel=1e-5)


def test_a_variant_has_the_decoders_it_uses_and_no_other():
    names = {variant: set(network(variant=variant).decoders) for variant in CORRESPONDENCES}
    assert names["own"] == {"image_to_image", "text_to_text"}
    assert names["cross"] == {"image_to_text", "text_to_image"}
    assert names["full"] == names["own"] | names["cross"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"variant": "crosss"}, r"unknown variant of CorrAE 'crosss' \(did you mean 'cross'\?\)"),
        ({"alpha": 0.0}, "alpha must lie between 0 and 1, got 0.0"),
        ({"alpha": 1.0}, "alpha must lie between 0 and 1, got 1.0"),
        ({"decoder_hidden": (0,)}, r"decoder_hidden must be positive, got \(0,\)"),
        ({"batch_size": 1}, "CorrAE needs batch_size of at least 2, got 1"),
    ],
)
def test_bad_hyper_parameters_are_refused_in_one_line(values, message, pairs):
    with pytest.raises(ConfigError, match=message) as caught:
        CorrAE(**SMALL | values).fit(pairs, runtime=CPU)
    assert "\n" not in str(caught.value)
