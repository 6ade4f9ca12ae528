"""Soft CCA and Barlow twins: codes standardised over the batch, then over all training pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from masln.errors import ConfigError
from masln.losses import cross_correlation_loss
from masln.models import BarlowTwins, SoftCCA
from masln.models.soft_cca import RunningCovariance, SoftCCANetwork
from masln.training import Batch, Runtime
from tests.conftest import make_pairs

CPU = Runtime(device="cpu")
SMALL = {"code_width": 5, "hidden": (12,), "batch_size": 32, "epochs": 2}


def batch(n: int = 30, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(torch.randn(n, 24, generator=generator), torch.randn(n, 16, generator=generator), torch.zeros(n), None)


def plain_standardised(codes: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.batch_norm(codes, None, None, training=True, eps=1e-12)


def test_the_running_covariance_is_that_of_the_paper_and_only_the_batch_has_a_gradient():
    running = RunningCovariance(3, 0.8)
    codes = [torch.randn(10, 3, generator=torch.Generator().manual_seed(i)) for i in range(4)]
    total, count = torch.zeros(3, 3), 0.0
    for z in codes:
        z.requires_grad_()
        found = running(z)
        own = z.T @ z / 10
        total, count = 0.8 * total + own.detach(), 0.8 * count + 1
        torch.testing.assert_close(found, total / count)
        (gradient,) = torch.autograd.grad(found.sum(), z)
        torch.testing.assert_close(gradient, torch.autograd.grad(own.sum() / count, z)[0])


def test_soft_cca_is_the_sum_of_its_losses_over_several_batches():
    torch.manual_seed(0)
    net = SoftCCA(**SMALL, decorrelation=0.3, memory=0.6)._build(24, 16, 6, 10)
    assert isinstance(net, SoftCCANetwork)
    totals, count = [torch.zeros(5, 5), torch.zeros(5, 5)], 0.0
    for step in range(3):
        pairs = batch(seed=step)
        codes = [plain_standardised(code) for code in net.learned_codes(pairs)]
        (objective,) = net.objectives(pairs, 0.0)
        count = 0.6 * count + 1
        totals = [0.6 * total + z.detach().T @ z.detach() / 30 for total, z in zip(totals, codes, strict=True)]
        sdl = sum(float((C / count).abs().sum() - (C / count).diagonal().abs().sum()) for C in totals)
        distance = float((codes[0] - codes[1]).square().sum(dim=1).mean().detach())
        assert float(objective.loss.detach()) == pytest.approx(distance + 0.3 * sdl, rel=1e-4)


def test_the_running_covariance_survives_saving_and_is_of_no_use_to_codes(pairs, tmp_path):
    from masln.models import load_method

    method = SoftCCA(**SMALL).fit(pairs, runtime=CPU)
    method.save(tmp_path)
    loaded = load_method(tmp_path)
    assert isinstance(loaded, SoftCCA) and isinstance(loaded.network_, SoftCCANetwork)
    kept = loaded.network_.covariances["image"]
    assert float(kept.count) > 1 and bool(kept.total.any())
    kept.total.zero_()
    np.testing.assert_array_equal(loaded.encode_image(pairs.image), method.encode_image(pairs.image))


def test_barlow_twins_has_the_loss_of_its_codes():
    torch.manual_seed(0)
    net = BarlowTwins(**SMALL, redundancy=0.1)._build(24, 16, 6, 10)
    pairs = batch()
    (objective,) = net.objectives(pairs, 0.0)
    image, text = (plain_standardised(net.encoders[m].learned(X)) for m, X in (("image", pairs[0]), ("text", pairs[1])))
    C = (image.T @ text / 30).detach()
    expected = sum(
        float((1 - C[i, i]) ** 2 if i == j else 0.1 * C[i, j] ** 2) for i in range(5) for j in range(5)
    )  # fmt: skip
    assert float(objective.loss.detach()) == pytest.approx(expected, rel=1e-4)
    assert float(cross_correlation_loss(image, text, redundancy=0.1).detach()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("cls", [SoftCCA, BarlowTwins])
def test_codes_are_standardised_by_all_training_pairs(cls, pairs):
    method = cls(**SMALL).fit(pairs, runtime=CPU)
    for codes in (method.encode_image(pairs.image), method.encode_text(pairs.text)):
        np.testing.assert_allclose(codes.mean(axis=0), 0.0, atol=1e-5)
        np.testing.assert_allclose(codes.std(axis=0), 1.0, rtol=1e-4)


@pytest.mark.parametrize("cls", [SoftCCA, BarlowTwins])
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_scale_of_features_that_nothing_scales_leaves_the_correlation(cls, factor):
    """Batch normalisation with its usual epsilon of 1e-5 collapses codes of this scale."""
    import dataclasses

    pairs = make_pairs()
    scaled = dataclasses.replace(pairs, image=pairs.image * np.float32(factor), text=pairs.text / np.float32(factor))

    def correlation(data) -> float:
        method = cls(**SMALL | {"epochs": 60}, input_scaling="none", encoder="linear").fit(data, runtime=CPU)
        image, text = method.encode_image(data.image), method.encode_text(data.text)
        return float((image * text).mean())

    assert correlation(scaled) == pytest.approx(correlation(pairs), abs=0.05)
    assert correlation(pairs) > 0.7


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (SoftCCA, {"decorrelation": -1.0}, "decorrelation must not be negative, got -1.0"),
        (SoftCCA, {"memory": 1.0}, r"memory 1.0 must lie in \[0, 1\)"),
        (SoftCCA, {"batch_size": 1}, "SoftCCA needs batch_size of at least 2, got 1"),
        (BarlowTwins, {"redundancy": -1.0}, "redundancy must not be negative, got -1.0"),
        (BarlowTwins, {"encoder": "mpl"}, r"unknown encoder 'mpl' \(did you mean 'mlp'\?\)"),
    ],
)
def test_bad_hyper_parameters_are_refused_in_one_line(cls, values, message, pairs):
    with pytest.raises(ConfigError, match=message) as caught:
        cls(**SMALL | values).fit(pairs, runtime=CPU)
    assert "\n" not in str(caught.value)
