"""An encoder with its input scaling: from features as a dataset has them to codes."""

from __future__ import annotations

from torch import Tensor, nn

from masln.nn.scaling import InputScaling

__all__ = ["ProjectingEncoder", "ScaledEncoder"]


class ScaledEncoder(nn.Module):
    """f(s(x)).

    Args:
        scaling: The input scaling s, fitted.
        encoder: From scaled features to codes; it is handed the mask where there is one.
    """

    def __init__(self, scaling: InputScaling, encoder: nn.Module) -> None:
        super().__init__()
        self.scaling, self.encoder = scaling, encoder

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode.

        Args:
            features: (n, d), or of an encoder that takes sequences (n, length, d).
            mask: (n, length) bool, which positions are real; what stands elsewhere is not looked at.

        Returns:
            Codes (n, d_code).
        """
        scaled = self.scaling(features, mask)
        return self.encoder(scaled) if mask is None else self.encoder(scaled, mask)  # type: ignore[no-any-return]


class ProjectingEncoder(nn.Module):
    """r((f(x) - m) W), of scaled features x.

    Args:
        features: The map f, from (n, d) to (n, p).
        mean: (p,).
        weights: (p, k).
        readout: The map r, of what is projected.
    """

    mean: Tensor
    weights: Tensor

    def __init__(self, features: nn.Module, mean: Tensor, weights: Tensor, readout: nn.Module) -> None:
        super().__init__()
        self.features, self.readout = features, readout
        self.register_buffer("mean", mean)
        self.register_buffer("weights", weights)

    def forward(self, x: Tensor) -> Tensor:
        """Encode (n, d) to (n, k)."""
        return self.readout((self.features(x) - self.mean) @ self.weights)  # type: ignore[no-any-return]
