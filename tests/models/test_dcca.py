from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from masln.data import PairedDataset
from masln.errors import ConfigError, DataError
from masln.losses import canonical_correlations
from masln.models import CCA, DCCA, DCCAE
from masln.models.dcca import DCCANetwork
from masln.models.dccae import DCCAENetwork
from masln.nn import ProjectedEncoder
from masln.training import Batch, Runtime
from tests.conftest import make_pairs
from tests.models.linear_gaussian import CORRELATIONS, linear_gaussian, pairs_of, reached

CPU = Runtime(device="cpu")
LINEAR: dict[str, Any] = {
    "encoder": "linear", "code_width": 4, "ridge": 1e-6, "weight_decay": 0.0, "input_scaling": "standardize",
    "batch_size": 2000, "epochs": 250, "learning_rate": 0.1, "dropout": 0.0, "input_dropout": 0.0,
}  # fmt: skip


def rank_deficient(X: np.ndarray) -> np.ndarray:
    return np.concatenate([X, X @ np.ones((X.shape[1], 5)), np.full((len(X), 2), 7.0)], axis=1)


BROKEN = {
    "as it is": lambda X: X,
    "tiny": lambda X: 1e-6 * X,
    "huge": lambda X: 1e6 * X,
    "duplicate columns": lambda X: np.concatenate([X, X], axis=1),
    "rank-deficient": rank_deficient,
}


class TestLinearGaussian:
    """DCCA with linear encoders is CCA: the closed form is what it should reach."""

    def assert_reaches_the_closed_form(self, pairs: PairedDataset, **values: Any) -> None:
        found = reached(DCCA(**LINEAR | values).fit(pairs, runtime=CPU), pairs)
        np.testing.assert_allclose(found, CORRELATIONS[:4], rtol=0.01)

    @pytest.mark.parametrize("broken", BROKEN)
    def test_the_whole_batch_reaches_the_closed_form_within_a_percent(self, broken):
        pairs = linear_gaussian()
        self.assert_reaches_the_closed_form(
            pairs_of(BROKEN[broken](pairs.image.astype(np.float64)), pairs.text.astype(np.float64))
        )

    def test_mini_batches_reach_it_too(self):
        self.assert_reaches_the_closed_form(linear_gaussian(3000), batch_size=500, epochs=60, learning_rate=0.05)

    @pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
    def test_features_that_nothing_scales_reach_it_at_every_scale(self, factor):
        pairs = linear_gaussian()
        scaled = pairs_of(factor * pairs.image.astype(np.float64), pairs.text.astype(np.float64) / factor)
        self.assert_reaches_the_closed_form(scaled, input_scaling="none")


def network(**values: Any) -> DCCANetwork:
    torch.manual_seed(0)
    built = DCCA(**{"code_width": 5, "hidden": (12,), "dropout": 0.0} | values)._build(24, 16, 6, 10)
    assert isinstance(built, DCCANetwork)
    return built


def batch(n: int = 40) -> Batch:
    pairs = make_pairs(per_class=n)
    rows = np.arange(0, len(pairs), 6)
    return Batch(torch.from_numpy(pairs.image[rows]), torch.from_numpy(pairs.text[rows]), torch.zeros(len(rows)), None)


def test_dead_units_change_no_correlation_and_no_gradient():
    """Half the hidden units dead, and then the same network without them."""
    lean, wide = network(), network(hidden=(24,))
    for name, encoder in wide.encoders.items():
        kept, (into, _, out) = lean.encoders[name].learned[0], encoder.learned[0]
        with torch.no_grad():
            into.weight[:12], into.bias[:12] = kept[0].weight, kept[0].bias
            into.weight[12:], into.bias[12:] = 0.0, -5.0
            out.weight[:, :12], out.bias[:] = kept[2].weight, kept[2].bias
    losses = [next(net.objectives(batch(), 0.0)).loss for net in (lean, wide)]
    assert float(losses[0].detach()) == pytest.approx(float(losses[1].detach()), rel=1e-6)
    parameters = dict(wide.named_parameters())
    gradients = dict(zip(parameters, torch.autograd.grad(losses[1], parameters.values()), strict=True))
    assert all(bool(torch.isfinite(g).all()) for g in gradients.values())
    assert not any(g[12:].any() for name, g in gradients.items() if name.endswith("learned.0.0.weight"))


@pytest.mark.parametrize("dead", [1, 4, 5])
def test_dead_code_dimensions_leave_the_correlation_of_the_others(dead):
    net = network(ridge=1e-6)
    expected = canonical_correlations(*net.learned_codes(batch()), ridge=1e-6).detach()
    with torch.no_grad():
        for encoder in net.encoders.values():
            encoder.learned[0][2].weight[:dead] = 0.0
    loss = next(net.objectives(batch(), 0.0)).loss
    image, text = (codes[:, dead:] for codes in net.learned_codes(batch()))
    rest = canonical_correlations(image, text, ridge=1e-6).sum().detach() if dead < 5 else torch.zeros(())
    assert -float(loss.detach()) == pytest.approx(float(rest), abs=1e-4) and float(rest) < float(expected.sum())
    gradients = torch.autograd.grad(loss, list(net.parameters()))
    assert all(bool(torch.isfinite(g).all()) for g in gradients)


def test_a_network_of_dead_units_is_fitted_and_encodes():
    """Features that drive every rectifier below 0 for the first steps: constants far from anything learned."""
    pairs = make_pairs()
    flat = pairs_of(np.full((120, 24), -1e6), pairs.text.astype(np.float64))
    method = DCCA(code_width=5, hidden=(12,), dropout=0.0, input_scaling="none", epochs=3).fit(flat, runtime=CPU)
    assert np.isfinite(method.encode_image(flat.image)).all() and np.isfinite(method.encode_text(flat.text)).all()
    assert abs(method.history_[-1]["canonical_correlation"]) < 0.05


def test_codes_are_the_linear_cca_of_what_is_learned_on_all_training_pairs(pairs):
    method = DCCA(code_width=5, hidden=(12,), batch_size=32, epochs=2, ridge=0.1).fit(pairs, runtime=CPU)
    learned = []
    for name, X in (("image", pairs.image), ("text", pairs.text)):
        encoder = method.network_.encoders[name]
        assert isinstance(encoder, ProjectedEncoder)
        with torch.no_grad():
            learned.append(encoder.learned(method.scalings_[name](torch.from_numpy(X))).double().numpy())
    linear = CCA(ridge=0.1, n_components=5, input_scaling="none").fit(pairs_of(*learned))
    expected = linear.encode_image(learned[0]), linear.encode_text(learned[1])
    for codes, other in zip((method.encode_image(pairs.image), method.encode_text(pairs.text)), expected, strict=True):
        np.testing.assert_allclose(codes, other, atol=2e-3)


def test_a_batch_at_or_above_the_number_of_pairs_is_the_whole_training_set(pairs):
    for size in (120, 5000):
        method = DCCA(code_width=5, hidden=(12,), batch_size=size, epochs=2, dropout=0.0).fit(pairs, runtime=CPU)
        first = method.history_[0]["canonical_correlation"]
        torch.manual_seed(0)
        fresh = method._build(24, 16, 6, 10)
        whole = Batch(
            method.scalings_["image"](torch.from_numpy(pairs.image)),
            method.scalings_["text"](torch.from_numpy(pairs.text)),
            torch.zeros(120), None,
        )  # fmt: skip
        assert first == pytest.approx(float(next(fresh.objectives(whole, 0.0)).loss.detach()), rel=1e-5)


@pytest.mark.parametrize("cls", [DCCA, DCCAE])
class TestRefusals:
    @pytest.mark.parametrize("size", [5, 6])
    def test_batches_that_are_no_larger_than_the_code_is_wide(self, cls, size, pairs):
        with pytest.raises(ConfigError, match=rf"needs batch_size above code_width, got {size} and 6") as caught:
            cls(code_width=6, batch_size=size).fit(pairs, runtime=CPU)
        assert "\n" not in str(caught.value)
        cls(code_width=6, hidden=(4,), batch_size=7, epochs=1).fit(pairs, runtime=CPU)

    def test_fewer_pairs_than_the_code_is_wide(self, cls, pairs):
        with pytest.raises(
            DataError, match=r"20 training pairs, but \w+ needs more than code_width=20; lower"
        ) as caught:
            cls(code_width=20).fit(pairs.take(np.arange(20)), runtime=CPU)
        assert "\n" not in str(caught.value)

    def test_a_negative_ridge(self, cls, pairs):
        with pytest.raises(ConfigError, match="ridge must not be negative, got -1"):
            cls(ridge=-1.0).fit(pairs, runtime=CPU)


def test_no_batch_of_an_epoch_is_as_small_as_the_code_is_wide():
    """103 pairs in batches of 10: the last three would correlate perfectly whatever they are."""
    net = network(code_width=8)
    plan = DCCA(code_width=8, batch_size=10).plan()
    for epoch in range(3):
        sizes = [len(rows) for rows in plan.batches(103, epoch, smallest=net.smallest_batch)]
        assert min(sizes) > 8 and sum(sizes) == 103


class TestDCCAE:
    def test_the_losses_are_those_of_cca_zoo_but_for_their_weights(self):
        """It has squared correlations, means over features, and (1 - lambda) before the correlation."""
        from cca_zoo import deep

        torch.manual_seed(0)
        net = DCCAE(code_width=5, hidden=(12,), decoder_hidden=(7,), reconstruction=0.4, dropout=0.0)._build(
            24, 16, 6, 0
        )
        assert isinstance(net, DCCAENetwork)
        pairs = batch()
        codes = net.learned_codes(pairs)
        # Its ridge is absolute and one for both: codes of variance 1 make the two ridges one.
        scales = [float(code.detach().var(dim=0).mean() ** 0.5) for code in codes]

        class Scaled(nn.Module):
            def __init__(self, part: nn.Module, before: float, after: float) -> None:
                super().__init__()
                self.part, self.before, self.after = part, before, after

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.part(x * self.before) * self.after

        model = deep.DCCAE(
            n_components=5,
            encoders=[Scaled(net.encoders[m].learned, 1.0, 1 / s) for m, s in zip(net.encoders, scales, strict=True)],
            decoders=[Scaled(net.decoders[m], s, 1.0) for m, s in zip(net.decoders, scales, strict=True)],
            reg_covar=net.ridge,
        )
        theirs = {
            name: float(value.detach()) for name, value in model.loss({"views": [pairs.image, pairs.text]}).items()
        }
        (objective,) = net.objectives(pairs, 0.0)
        figures = {name: float(value.detach()) for name, value in objective.figures.items()}
        squared = -canonical_correlations(*codes, ridge=net.ridge).square().sum()
        assert float(squared.detach()) == pytest.approx(theirs["cca"], rel=1e-4)
        with torch.no_grad():
            errors = [
                nn.functional.mse_loss(net.decoders[name](code), X) * X.shape[1]
                for name, code, X in zip(net.decoders, codes, (pairs.image, pairs.text), strict=True)
            ]
        assert figures["reconstruction"] == pytest.approx(float(sum(errors)), rel=1e-5)
        assert sum(float(e) / d for e, d in zip(errors, (24, 16), strict=True)) == pytest.approx(
            theirs["reconstruction"], rel=1e-5
        )
        expected = figures["canonical_correlation"] + 0.4 * figures["reconstruction"]
        assert float(objective.loss.detach()) == pytest.approx(expected, rel=1e-6)

    def test_reconstruction_0_learns_what_dcca_learns_but_for_the_draw_of_the_decoders(self, pairs):
        values = {"code_width": 5, "hidden": (12,), "batch_size": 32, "epochs": 2, "dropout": 0.0}
        expected = DCCA(**values).fit(pairs, runtime=CPU)
        found = DCCAE(**values, reconstruction=0.0).fit(pairs, runtime=CPU)
        np.testing.assert_array_equal(found.encode_image(pairs.image), expected.encode_image(pairs.image))

    def test_codes_tell_their_features_better_than_those_of_dcca(self, pairs):
        def error(method: DCCA) -> float:
            codes, X = method.encode_image(pairs.image), pairs.image
            design = np.column_stack([codes, np.ones(len(codes))])
            return float(np.square(X - design @ np.linalg.lstsq(design, X, rcond=None)[0]).sum())

        values = {
            "code_width": 5, "hidden": (32,), "batch_size": 200, "epochs": 100, "dropout": 0.0, "learning_rate": 1e-3,
        }  # fmt: skip
        plain = DCCA(**values).fit(pairs, runtime=CPU)
        decoded = DCCAE(**values, reconstruction=100.0).fit(pairs, runtime=CPU)
        assert error(decoded) < 0.9 * error(plain)

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"reconstruction": -0.1}, "reconstruction must not be negative, got -0.1"),
            ({"decoder_hidden": (0,)}, r"decoder_hidden must be positive, got \(0,\)"),
        ],
    )
    def test_bad_values_are_refused(self, values, message, pairs):
        with pytest.raises(ConfigError, match=message):
            DCCAE(code_width=5, **values).fit(pairs, runtime=CPU)
