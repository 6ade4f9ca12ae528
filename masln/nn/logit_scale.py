"""Logit scale: one over the temperature by which cosines become logits, learned or fixed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from masln.errors import ConfigError

__all__ = ["LogitScale"]


class LogitScale(nn.Module):
    """exp(s), with s = -log(temperature) learned or fixed.

    As in CLIP (Radford, A., et al.: Learning transferable visual models from natural language supervision. ICML 2021),
    the scale is kept from growing beyond a limit, which is 100 there.

    Args:
        temperature: The one to begin with.
        learned: Whether s is a parameter; a buffer otherwise.
        limit: Largest scale.

    Raises:
        ConfigError: the temperature is not positive, or its scale is beyond the limit.
    """

    log_scale: Tensor

    def __init__(self, temperature: float, *, learned: bool, limit: float = 100.0) -> None:
        super().__init__()
        if not (temperature > 0 and math.isfinite(temperature)):
            raise ConfigError(f"temperature must be positive, got {temperature}")
        if 1 / temperature > limit * (1 + 1e-9):
            raise ConfigError(f"temperature must be at least {1 / limit:g}, got {temperature}")
        self.limit = math.log(limit)
        value = torch.tensor(-math.log(temperature))
        if learned:
            self.log_scale = nn.Parameter(value)
        else:
            self.register_buffer("log_scale", value)

    def forward(self) -> Tensor:
        """The scale, a scalar.

        The value is cut to the limit in place, not in the graph: cut there, it would have no gradient to come back.
        """
        with torch.no_grad():
            self.log_scale.clamp_(max=self.limit)
        return self.log_scale.exp()
