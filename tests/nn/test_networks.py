from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from masln.errors import ConfigError
from masln.nn import (
    ENCODERS,
    ModalityDiscriminator,
    TwinDecoders,
    build_encoder,
    feed_forward,
    reversal_schedule,
    reverse_gradient,
)


@pytest.mark.parametrize("kind", ENCODERS)
def test_every_encoder_maps_rows_to_codes(kind):
    encoder = build_encoder(kind, 7, 3, hidden=(5, 4), dropout=0.1, input_dropout=0.2)
    assert encoder(torch.randn(6, 7)).shape == (6, 3)
    assert encoder(torch.randn(2, 6, 7)).shape == (2, 6, 3)


def test_encoders_compute_what_they_say():
    x = torch.randn(6, 7)
    torch.manual_seed(0)
    (linear,) = build_encoder("linear", 7, 3, hidden=())
    torch.testing.assert_close(linear(x), x @ linear.weight.T + linear.bias)
    (mlp,) = build_encoder("mlp", 7, 3, hidden=(5,))
    first, _, last = mlp
    by_hand = (x @ first.weight.T + first.bias).clamp(min=0) @ last.weight.T + last.bias
    torch.testing.assert_close(mlp(x), by_hand)
    (residual,) = build_encoder("residual", 7, 3, hidden=(5,))
    first, _, last = residual.correction
    by_hand = (x @ first.weight.T + first.bias).clamp(min=0) @ last.weight.T + last.bias
    torch.testing.assert_close(residual(x), by_hand + x @ residual.linear.weight.T + residual.linear.bias)


def test_a_linear_encoder_has_no_hidden_layer():
    assert sum(p.numel() for p in build_encoder("linear", 7, 3, hidden=(100,)).parameters()) == 7 * 3 + 3


def test_input_dropout_acts_while_training_only():
    encoder = build_encoder("linear", 400, 4, hidden=(), input_dropout=0.5)
    x = torch.randn(3, 400)
    assert not torch.equal(encoder(x), encoder(x))
    encoder.eval()
    assert torch.equal(encoder(x), encoder(x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "residul"}, r"unknown encoder 'residul' \(did you mean 'residual'\?\)"),
        ({"d_code": 0}, "encoder widths must be positive"),
        ({"hidden": (4, 0)}, "encoder widths must be positive"),
        ({"dropout": 1.0}, r"dropout 1.0 must lie in \[0, 1\)"),
        ({"input_dropout": -0.1}, r"input dropout -0.1 must lie in \[0, 1\)"),
    ],
)
def test_bad_encoders_are_refused(options, message):
    values = {"kind": "mlp", "d_code": 3, "hidden": (4,)} | options
    with pytest.raises(ConfigError, match=message):
        build_encoder(values.pop("kind"), 7, values.pop("d_code"), **values)


def test_feed_forward_widths():
    layers = feed_forward(7, (5, 6), 2)
    assert [tuple(p.shape) for p in layers.parameters() if p.ndim == 2] == [(5, 7), (6, 5), (2, 6)]


def test_feed_forward_normalises_hidden_layers_over_the_batch_where_asked():
    torch.manual_seed(0)
    layers, x = feed_forward(7, (5, 6), 2, norm_momentum=0.25), 3 + torch.randn(40, 7)
    assert [type(layer).__name__ for layer in layers] == ["Linear", "BatchNorm1d", "ReLU"] * 2 + ["Linear"]
    before = layers[0](x)
    torch.testing.assert_close(layers[:2](x).mean(dim=0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(layers[1].running_mean, 0.25 * before.mean(dim=0))
    layers.eval()
    torch.testing.assert_close(layers(x[:1]), layers(x)[:1])


def test_twin_decoders_give_both_modalities_from_code_and_class():
    decoders = TwinDecoders(3, 4, 9, 5, hidden=(6,))
    codes, vectors = torch.randn(2, 8, 3), torch.randn(2, 8, 4)
    image, text = decoders(codes, vectors)
    assert image.shape == (2, 8, 9) and text.shape == (2, 8, 5)
    assert not torch.equal(decoders(codes, vectors + 1)[0], image)
    alone = TwinDecoders(3, 0, 9, 5, hidden=())
    assert alone(codes)[1].shape == (2, 8, 5)


def test_discriminator_gives_one_logit_a_code():
    assert ModalityDiscriminator(3, hidden=(4,))(torch.randn(6, 3)).shape == (6,)
    assert ModalityDiscriminator(3, hidden=())(torch.randn(6, 3)).shape == (6,)


@pytest.mark.parametrize("strength", [0.0, 0.3, 2.0])
def test_reversal_leaves_values_and_negates_gradients(strength):
    x = torch.randn(5, 3, requires_grad=True)
    weights = torch.randn(5, 3)
    out = reverse_gradient(x, strength)
    assert torch.equal(out, x)
    (plain,) = torch.autograd.grad((x.square() * weights).sum(), x)
    (reversed_,) = torch.autograd.grad((out.square() * weights).sum(), x)
    torch.testing.assert_close(reversed_, -strength * plain)


def test_reversal_schedule_rises_from_0_to_almost_1():
    assert reversal_schedule(0.0) == 0.0
    assert reversal_schedule(1.0) == pytest.approx((1 - math.exp(-10)) / (1 + math.exp(-10)), rel=1e-12)
    values = [reversal_schedule(p) for p in np.linspace(0, 1, 11)]
    assert values == sorted(values) and values[-1] < 1
    assert reversal_schedule(0.1) == pytest.approx(math.tanh(0.5))
