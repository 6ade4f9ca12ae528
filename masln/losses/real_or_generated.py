"""The discriminator's loss of a generative adversarial network: real or generated?"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["real_or_generated_loss"]


def real_or_generated_loss(real_logits: Tensor, *generated_logits: Tensor) -> Tensor:
    """L_D = -mean log sigmoid(real) - sum over kinds g of what is generated: mean log(1 - sigmoid(g)).

    Each kind weighs as much as what is real (Goodfellow et al., NeurIPS 2014; two kinds in Chi and Peng, TCSVT 2019).

    Args:
        real_logits: (n,) of what is real.
        generated_logits: (n,) each, one a kind.

    Returns:
        A scalar, in float32.
    """
    loss = functional.softplus(-real_logits.float()).mean()
    for logits in generated_logits:
        loss = loss + functional.softplus(logits.float()).mean()
    return loss
