"""Covariance of codes, in float64: what the correlation losses are computed from."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["code_covariance", "in_float64", "inverse_deviations", "standardised", "variance_of_rounding"]


def in_float64(codes: Tensor) -> Tensor:
    """The codes in float64, which mixed precision leaves alone; on the CPU where the device has no float64."""
    return (codes.cpu() if codes.device.type == "mps" else codes).double()


def variance_of_rounding(codes: Tensor) -> Tensor:
    """Variance (d,) that float32 rounding alone may leave on each dimension of codes (n, d); it says nothing."""
    return (torch.finfo(torch.float32).eps * codes.detach()).square().mean(dim=0)


def inverse_deviations(codes: Tensor) -> Tensor:
    """1 / standard deviation (d,) of each dimension of codes (n, d), in float64; 0 of a constant one."""
    codes = in_float64(codes)
    variance = codes.var(dim=0, correction=0)
    alive = variance > variance_of_rounding(codes)
    # The root of a variance of 0 has no gradient; it must not be taken at all, masked or not.
    return torch.where(alive, variance, 1.0).rsqrt() * alive


def standardised(codes: Tensor) -> Tensor:
    """Codes (n, d) with mean 0 and variance 1 over the batch, in float64; a constant dimension becomes 0."""
    codes = in_float64(codes)
    return (codes - codes.mean(dim=0)) * inverse_deviations(codes)


def code_covariance(left: Tensor, right: Tensor) -> Tensor:
    """C = Z1' Z2 / n of centred codes (n, d1) and (n, d2): (d1, d2), in float64."""
    left, right = in_float64(left), in_float64(right)
    return left.T @ right / len(left)
