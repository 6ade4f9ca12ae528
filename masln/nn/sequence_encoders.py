"""Sequence encoders: word or region vectors, each seen among the others, pooled and projected to the code layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from masln.errors import ConfigError, unknown_name
from masln.nn.encoders import feed_forward
from masln.nn.onnx_lstm import onnx_lstm
from masln.nn.pooling import as_sequence, build_pooling

__all__ = [
    "CONTEXTS",
    "BiLSTM",
    "SequenceEncoder",
    "TransformerContext",
    "build_context",
    "build_sequence_encoder",
    "sinusoidal_positions",
]

CONTEXTS = ("none", "bilstm", "transformer")


class BiLSTM(nn.Module):
    """The states of an LSTM that reads forwards beside those of one that reads backwards, over real positions alone.

    Graves, A., Schmidhuber, J.: Framewise phoneme classification with bidirectional LSTM. Neural Networks, 2005.

    Args:
        d_in: Width of the input.
        width: Of the output, an even number: half of it for each direction.
        layers: One above the other.
        dropout: Between the layers.
    """

    def __init__(self, d_in: int, width: int, *, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        if width < 2 or width % 2:
            raise ConfigError(f"a BiLSTM needs an even width of at least 2, half for each direction, got {width}")
        dropout = dropout if layers > 1 else 0.0  # torch warns of dropout between layers where there is one
        self.lstm = nn.LSTM(d_in, width // 2, num_layers=layers, dropout=dropout, bidirectional=True, batch_first=True)

    def forward(self, X: Tensor, mask: Tensor) -> Tensor:
        """(n, length, d_in) and (n, length) to (n, length, width), zero where a position is not real."""
        # Real positions first, wherever they stand: the packed form knows lengths alone.
        length = mask.shape[1]
        order = (torch.arange(length, device=mask.device) + length * ~mask).argsort(dim=1)
        return _along(self._read(_along(X, order), mask.sum(dim=1)), order.argsort(dim=1))

    def _read(self, X: Tensor, lengths: Tensor) -> Tensor:
        """States (n, length, width) of rows whose real positions, so many each, come first."""
        if torch.onnx.is_in_onnx_export():  # no graph has the packed form, but the operator of ONNX takes lengths
            return onnx_lstm(self.lstm, X, lengths)
        packed = pack_padded_sequence(X, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=X.shape[1])
        return states


class TransformerContext(nn.Module):
    """A transformer's encoder over the real positions: a projection, positions added where there are any, layers.

    Vaswani, A., et al.: Attention is all you need. NeurIPS 2017; normalised before each block and not after, so that
    it needs no warm-up (Xiong et al., ICML 2020), and once more at the end.

    Args:
        d_in: Width of the input.
        width: Of the output.
        layers: One above the other.
        heads: Of the attention; a divisor of the width.
        dropout: As in the paper; on positions, attention and both blocks.
        positions: Add sinusoidal positions: for words. Regions of an image are a set.
    """

    def __init__(
        self,
        d_in: int,
        width: int,
        *,
        layers: int = 1,
        heads: int = 4,
        dropout: float = 0.0,
        positions: bool = True,
    ) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ConfigError(f"the width {width} of a transformer must be a multiple of its heads, got {heads}")
        self.positions = positions
        self.projection, self.dropout = nn.Linear(d_in, width), nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, batch_first=True, norm_first=True)
        # Nested tensors would shorten the output to the longest sequence of the batch.
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, X: Tensor, mask: Tensor) -> Tensor:
        """(n, length, d_in) and (n, length) to (n, length, width); what is not real holds anything finite."""
        H = self.projection(X.masked_fill(~mask.unsqueeze(-1), 0.0))
        if self.positions:
            H = H + sinusoidal_positions(H.shape[1], H.shape[2], device=H.device, dtype=H.dtype)
        encoded: Tensor = self.layers(self.dropout(H), src_key_padding_mask=~mask)
        return encoded


class SequenceEncoder(nn.Module):
    """Context, pooling and projection: (n, length, d_in) with a mask, or (n, d_in), to (n, d_code).

    Args:
        context: Of (n, length, d_in) and (n, length) to (n, length, width); None leaves each position as it is.
        pooling: Of (n, length, width) and (n, length) to (n, width).
        projection: Of (n, width) to (n, d_code).
        dropout: On what is pooled.
    """

    def __init__(
        self, context: nn.Module | None, pooling: nn.Module, projection: nn.Module, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.context, self.pooling, self.projection = context, pooling, projection
        self.dropout = nn.Dropout(dropout)

    def forward(self, X: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode; without a mask every position is real."""
        H, real = as_sequence(X, mask)
        if self.context is not None:
            H = self.context(H, real)
        return self.projection(self.dropout(self.pooling(H, real)))  # type: ignore[no-any-return]


def build_sequence_encoder(
    context: str,
    d_in: int,
    d_code: int,
    *,
    width: int,
    pooling: str,
    hidden: Sequence[int] = (),
    layers: int = 1,
    heads: int = 4,
    dropout: float = 0.0,
    positions: bool = True,
) -> SequenceEncoder:
    """Make an encoder of sequences.

    Args:
        context: ``none``, ``bilstm`` or ``transformer``.
        d_in: Width of the (scaled) features.
        d_code: Width of the code layer.
        width: Of the context's output; without a context, positions keep that of the features.
        pooling: ``mean``, ``max`` or ``attention``.
        hidden: Widths of hidden layers between pooling and code.
        layers: Of the context.
        heads: Of a transformer.
        dropout: Within the context, on what is pooled, and after hidden layers.
        positions: Whether a transformer is told them.

    Raises:
        ConfigError: an unknown kind, a width or number below one, or a dropout outside [0, 1).
    """
    if min((d_code, *hidden)) < 1:
        raise ConfigError(f"width of a sequence encoder must be positive, got {min((d_code, *hidden))}")
    reader = build_context(context, d_in, width, layers=layers, heads=heads, dropout=dropout, positions=positions)
    width = d_in if reader is None else width
    projection = feed_forward(width, hidden, d_code, dropout=dropout)
    return SequenceEncoder(reader, build_pooling(pooling, width), projection, dropout=dropout)


def build_context(
    kind: str, d_in: int, width: int, *, layers: int = 1, heads: int = 4, dropout: float = 0.0, positions: bool = True
) -> nn.Module | None:
    """Make what lets each position of a sequence be seen among the others; arguments as ``build_sequence_encoder``.

    Returns:
        A module of (n, length, d_in) and (n, length) to (n, length, width); None where the kind is ``none``.

    Raises:
        ConfigError: an unknown kind, a width or number below one, or a dropout outside [0, 1).
    """
    for name, value in (("width", width), ("layers", layers)):
        if value < 1:
            raise ConfigError(f"{name} of a sequence encoder must be positive, got {value}")
    if not 0 <= dropout < 1:
        raise ConfigError(f"dropout {dropout} must lie in [0, 1)")
    if kind == "bilstm":
        return BiLSTM(d_in, width, layers=layers, dropout=dropout)
    if kind == "transformer":
        return TransformerContext(d_in, width, layers=layers, heads=heads, dropout=dropout, positions=positions)
    if kind != "none":
        raise ConfigError(unknown_name("context", kind, CONTEXTS))
    return None


def sinusoidal_positions(
    length: int, width: int, *, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """(length, width): sin(p / 10000^(2i / width)) at 2i and the cosine at 2i + 1, of position p (Vaswani et al.)."""
    rates = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10000.0) / width))
    angles = torch.arange(length, device=device)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width].to(dtype)


def _along(X: Tensor, order: Tensor) -> Tensor:
    """The positions of each row of X (n, length, d) in the order (n, length)."""
    return X.gather(1, order.unsqueeze(-1).expand_as(X))
