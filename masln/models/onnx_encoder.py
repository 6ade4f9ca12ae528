"""Encoders as ONNX (extra ``export``): a module written as a graph, and a graph that encodes as its method does."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from masln.data import row_blocks
from masln.errors import CheckpointError, ConfigError, MissingExtraError

__all__ = ["OPSET", "OnnxEncoder", "onnx_graph", "require_onnx"]

OPSET = 20  # that of torch 2.13 by default, which its exporter is tested on
BATCH, CODE, MASK = "batch", "code", "text_mask"


def require_onnx() -> None:
    """Raise MissingExtraError where a package of the extra is not installed."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "export", "an encoder as ONNX")


def onnx_graph(
    encoder: nn.Module, modality: str, shape: Sequence[int], *, masked: bool, metadata: Mapping[str, str]
) -> bytes:
    """Write an encoder as an ONNX model: float32 features (batch, ...), and a mask where there is one, to codes.

    Inputs are called as the modality and ``text_mask``, the output ``code``, their first dimension ``batch``, which may
    be anything; the others are fixed.

    Args:
        encoder: As of ``Method.encoder_module``; it is left as it is.
        modality: ``image`` or ``text``.
        shape: Of one item's features, (d,) or (length, d).
        masked: Whether a bool mask (batch, length) goes with them.
        metadata: Kept in the model.

    Raises:
        ConfigError: the encoder has a part that has no form in ONNX.
        MissingExtraError: a package is not installed.
    """
    require_onnx()
    module = copy.deepcopy(encoder).cpu().float().eval()
    inputs: list[torch.Tensor] = [torch.zeros(2, *shape)]
    if masked:
        inputs.append(torch.ones(2, shape[0], dtype=torch.bool))
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module,
                tuple(inputs),
                input_names=[modality, MASK][: len(inputs)],
                output_names=[CODE],
                opset_version=OPSET,
                dynamic_shapes=({0: torch.export.Dim(BATCH)},) * len(inputs),
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = next((line for line in reversed(str(error.__cause__ or error).splitlines()) if line.strip()), "")
        raise ConfigError(f"the {modality} encoder has no form in ONNX: {reason}") from error
    assert program is not None
    graph = program.model.graph
    graph.doc_string = None
    for node in graph:  # of each, where in whose files it was written
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*graph.inputs, *graph.initializers.values()):
        value.metadata_props.clear()
    program.model.metadata_props.clear()
    program.model.metadata_props.update(metadata)
    content: bytes = program.model_proto.SerializeToString(deterministic=True)
    return content


class OnnxEncoder:
    """An encoder that onnxruntime runs.

    Args:
        path: Of the file.
        threads: Of onnxruntime; 0 for as many as it takes.

    Attributes:
        modality: Of its features.
        metadata: As the model holds them.

    Raises:
        CheckpointError: the file is missing or damaged, or no encoder of ``masln export``.
        MissingExtraError: onnxruntime is not installed.
    """

    def __init__(self, path: str | Path, *, threads: int = 0) -> None:
        require_onnx()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has a kind for each, all of them its own
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CheckpointError(f"{path} cannot be loaded ({reason}); export it again") from error
        self._inputs = [given.name for given in self._session.get_inputs()]
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        if "modality" not in self.metadata or self._inputs[0] != self.metadata["modality"]:
            raise CheckpointError(f"{path} is no encoder that masln export wrote; export it again")
        self.modality = self._inputs[0]

    def encode(self, X: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Codes (n, d_code) of features (n, d) or (n, length, d), with the mask (n, length) of tokens."""
        blocks = []
        for rows in row_blocks(X):
            values: list[NDArray[Any]] = [np.asarray(X[rows], dtype=np.float32)]
            if mask is not None:
                values.append(np.asarray(mask[rows], dtype=np.bool_))
            blocks.append(self._session.run([CODE], dict(zip(self._inputs, values, strict=True)))[0])
        return np.concatenate(blocks)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of packages that are not there, and of its own workings."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
