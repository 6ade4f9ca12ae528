"""An LSTM as the operator of ONNX, which is told lengths as packed sequences are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["onnx_lstm"]


def onnx_lstm(lstm: nn.LSTM, X: Tensor, lengths: Tensor) -> Tensor:
    """What a bidirectional LSTM makes of sequences of several lengths; while a graph is exported to ONNX alone.

    Args:
        lstm: Bidirectional, with biases.
        X: (n, length, d_in), real positions first.
        lengths: (n,) how many are real.

    Returns:
        (n, length, 2 * hidden), zero behind the real positions.
    """
    n, length, _ = X.shape
    for layer in range(lstm.num_layers):
        names = [f"l{layer}", f"l{layer}_reverse"]
        (states,) = torch.onnx.ops.symbolic_multi_out(
            "LSTM",
            (
                X.transpose(0, 1),
                torch.stack([_gates(getattr(lstm, f"weight_ih_{name}")) for name in names]),
                torch.stack([_gates(getattr(lstm, f"weight_hh_{name}")) for name in names]),
                torch.stack(
                    [
                        torch.cat([_gates(getattr(lstm, f"bias_{part}_{name}")) for part in ("ih", "hh")])
                        for name in names
                    ]
                ),
                lengths.to(torch.int32),
            ),
            attrs={"hidden_size": lstm.hidden_size, "direction": "bidirectional"},
            dtypes=(X.dtype,),
            shapes=((length, 2, n, lstm.hidden_size),),
            version=14,
        )
        X = states.permute(2, 0, 1, 3).flatten(2)
    return X


def _gates(weights: Tensor) -> Tensor:
    """From torch's order of gates, input, forget, cell, output, to that of ONNX: input, output, forget, cell."""
    return weights.reshape(4, -1, *weights.shape[1:])[[0, 3, 1, 2]].flatten(0, 1)
