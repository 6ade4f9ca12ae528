"""Encoders: from a modality's features to the common code layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from masln.errors import ConfigError, unknown_name

__all__ = ["ENCODERS", "ResidualEncoder", "build_encoder", "feed_forward"]

ENCODERS = ("linear", "mlp", "residual")


def feed_forward(
    d_in: int,
    hidden: Sequence[int],
    d_out: int,
    *,
    dropout: float = 0.0,
    activation: Callable[[], nn.Module] = nn.ReLU,
    norm_momentum: float = 0.0,
) -> nn.Sequential:
    """Fully connected layers with an activation (and dropout) between them: (..., d_in) to (..., d_out).

    A ``norm_momentum`` above 0 normalises each hidden layer over the batch before its activation; the statistics for
    encoding then take this share of each new batch. Such a batch has at least two rows, and no dimension beside them.
    """
    layers: list[nn.Module] = []
    for width in hidden:
        layers.append(nn.Linear(d_in, width))
        if norm_momentum:
            layers.append(nn.BatchNorm1d(width, momentum=norm_momentum))
        layers.append(activation())
        if dropout:
            layers.append(nn.Dropout(dropout))
        d_in = width
    return nn.Sequential(*layers, nn.Linear(d_in, d_out))


class ResidualEncoder(nn.Module):
    """f(x) = W x + MLP(x): a linear map, which carries over to unseen classes, and a correction to it (ours)."""

    def __init__(self, d_in: int, hidden: Sequence[int], d_out: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.linear = nn.Linear(d_in, d_out)
        self.correction = feed_forward(d_in, hidden, d_out, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Encode (..., d_in) to (..., d_out)."""
        return self.linear(x) + self.correction(x)  # type: ignore[no-any-return]


def build_encoder(
    kind: str,
    d_in: int,
    d_code: int,
    *,
    hidden: Sequence[int],
    dropout: float = 0.0,
    input_dropout: float = 0.0,
) -> nn.Sequential:
    """Make an encoder of (..., d_in) to (..., d_code).

    Args:
        kind: ``linear``, ``mlp`` or ``residual``.
        d_in: Width of the (scaled) features.
        d_code: Width of the code layer.
        hidden: Widths of the hidden layers; ``linear`` has none.
        dropout: After each hidden layer.
        input_dropout: On the features; a denoising encoder.

    Raises:
        ConfigError: unknown kind, a width below one, or a dropout outside [0, 1).
    """
    if any(width < 1 for width in (d_code, *hidden)):
        raise ConfigError(f"encoder widths must be positive, got hidden {tuple(hidden)} and code {d_code}")
    for name, share in (("dropout", dropout), ("input dropout", input_dropout)):
        if not 0 <= share < 1:
            raise ConfigError(f"{name} {share} must lie in [0, 1)")
    encoder: nn.Module
    if kind == "linear":
        encoder = nn.Linear(d_in, d_code)
    elif kind == "mlp":
        encoder = feed_forward(d_in, hidden, d_code, dropout=dropout)
    elif kind == "residual":
        encoder = ResidualEncoder(d_in, hidden, d_code, dropout=dropout)
    else:
        raise ConfigError(unknown_name("encoder", kind, ENCODERS))
    return nn.Sequential(nn.Dropout(input_dropout), encoder) if input_dropout else nn.Sequential(encoder)
