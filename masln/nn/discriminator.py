"""The modality discriminator: which modality does a code come from?"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from masln.nn.encoders import feed_forward

__all__ = ["ModalityDiscriminator"]


class ModalityDiscriminator(nn.Module):
    """Fully connected layers ending in one logit: positive for an image code, negative for a text code."""

    def __init__(self, d_code: int, *, hidden: Sequence[int]) -> None:
        super().__init__()
        self.layers = feed_forward(d_code, hidden, 1)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits (...,) of codes (..., d_code)."""
        return self.layers(codes).squeeze(-1)  # type: ignore[no-any-return]
