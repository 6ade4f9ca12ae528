"""A discriminator that also gives what its layers make of an item, for losses that match distributions there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from masln.nn.encoders import feed_forward

__all__ = ["LayerwiseDiscriminator"]


class LayerwiseDiscriminator(nn.Module):
    """Fully connected layers with ReLU, ending in one logit, positive for what is real (DADN, TCSVT 2019).

    Args:
        d_in: Width of what is judged.
        hidden: Widths of the hidden layers.
    """

    def __init__(self, d_in: int, *, hidden: Sequence[int]) -> None:
        super().__init__()
        self.layers = feed_forward(d_in, hidden, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Judge (..., d_in).

        Returns:
            The input beside the output of every hidden layer, (..., d_in + sum of widths), and the logits (...,).
        """
        layers, kept = list(self.layers), [x]
        for layer in layers[:-1]:
            x = layer(x)
            if not isinstance(layer, nn.Linear):
                kept.append(x)
        return torch.cat(kept, dim=-1), layers[-1](x).squeeze(-1)
