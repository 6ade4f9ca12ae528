"""Twin decoders: from a code, joined to its class embedding, back to both modalities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from masln.nn.encoders import feed_forward

__all__ = ["TwinDecoders"]


class TwinDecoders(nn.Module):
    """D_v and D_t of MASLN, shared by the codes of both modalities (ICMR 2018, section on semantic learning).

    Args:
        d_code: Width of the codes.
        d_class: Width of the class embeddings; 0 decodes from the code alone.
        d_image: Width of the (scaled) image features.
        d_text: Width of the (scaled) text features.
        hidden: Widths of the hidden layers of each decoder.
    """

    def __init__(self, d_code: int, d_class: int, d_image: int, d_text: int, *, hidden: Sequence[int]) -> None:
        super().__init__()
        self.d_class = d_class
        self.image = feed_forward(d_code + d_class, hidden, d_image)
        self.text = feed_forward(d_code + d_class, hidden, d_text)

    def forward(self, codes: Tensor, class_embeddings: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Decode z = [code, class embedding].

        Args:
            codes: (..., d_code).
            class_embeddings: (..., d_class), one for each code; None where ``d_class`` is 0.

        Returns:
            The image features (..., d_image) and the text features (..., d_text).
        """
        if self.d_class:
            assert class_embeddings is not None
            codes = torch.cat([codes, class_embeddings], dim=-1)
        return self.image(codes), self.text(codes)
