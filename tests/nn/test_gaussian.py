from __future__ import annotations

import torch
from torch import nn

from masln.nn import DiagonalGaussian, GaussianEncoder, feed_forward


def test_the_code_is_the_mean_and_nothing_is_drawn_for_it():
    torch.manual_seed(0)
    encoder, x = GaussianEncoder(feed_forward(7, (5,), 6)), torch.randn(4, 7)
    state = torch.get_rng_state()
    codes = encoder(x)
    assert codes.shape == (4, 3) and torch.equal(torch.get_rng_state(), state)
    posterior = encoder.posterior(x)
    torch.testing.assert_close(torch.cat(posterior, dim=-1), encoder.layers(x))
    assert torch.equal(posterior.mean, codes)


def test_samples_have_the_mean_and_the_variance():
    torch.manual_seed(0)
    mean, deviation = torch.tensor([1.0, -2.0, 0.0]), torch.tensor([0.5, 2.0, 0.01])
    gaussian = DiagonalGaussian(mean.expand(40_000, -1), (2 * deviation.log()).expand(40_000, -1))
    drawn = gaussian.sample()
    torch.testing.assert_close(drawn.mean(dim=0), mean, atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.std(dim=0), deviation, atol=0, rtol=0.03)
    assert abs(torch.corrcoef(drawn.T)[0, 1]) < 0.03, "each dimension is drawn for itself"


def test_a_gradient_reaches_mean_and_variance_of_a_sample():
    torch.manual_seed(0)
    mean, log_variance = torch.zeros(5, 2, requires_grad=True), torch.zeros(5, 2, requires_grad=True)
    DiagonalGaussian(mean, log_variance).sample().sum().backward()
    assert torch.equal(mean.grad, torch.ones(5, 2)) and bool(log_variance.grad.all())


def test_log_variances_stay_where_their_exponential_is_finite():
    outputs = torch.tensor([[3.0, -4.0, 500.0, -500.0]], dtype=torch.bfloat16)
    gaussian = GaussianEncoder(nn.Identity()).posterior(outputs)
    assert gaussian.mean.tolist() == [[3.0, -4.0]] and gaussian.mean.dtype == torch.float32
    torch.testing.assert_close(gaussian.log_variance.exp(), torch.tensor([[1e4, 1e-4]]), rtol=1e-3, atol=0)
    assert GaussianEncoder(nn.Identity()).posterior(outputs.double()).mean.dtype == torch.float64
