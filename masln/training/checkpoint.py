"""Checkpoints: everything a run needs to go on bit for bit, written atomically, read without running code."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from masln.errors import CheckpointError
from masln.saving import write_atomically

__all__ = ["load_checkpoint", "random_states", "restore_random_states", "save_checkpoint", "write_atomically"]


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a dictionary of tensors and plain values; see ``write_atomically`` for errors."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path, *, fingerprint: str, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint of the run with this fingerprint.

    Raises:
        CheckpointError: it cannot be read, or another configuration, dataset or version wrote it.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        found = state["fingerprint"]
    except Exception as error:  # torch raises RuntimeError, UnpicklingError, EOFError, KeyError, ... here
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"checkpoint {path} cannot be read ({reason}); delete it to start the run anew"
        ) from error
    if found != fingerprint:
        raise CheckpointError(
            f"checkpoint {path} belongs to another configuration, dataset or version "
            f"(fingerprint {found}, this run has {fingerprint}); resume with the saved config, or use a new --out"
        )
    return state


def random_states(device: torch.device) -> dict[str, Any]:
    """The states of all random generators that training could draw from."""
    name, keys, position, has_gauss, cached = cast(tuple[Any, ...], np.random.get_state())
    version, internal, gauss = random.getstate()
    states: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "python": [version, list(internal), gauss],
    }
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random_states(states: dict[str, Any], device: torch.device) -> None:
    """Put back what ``random_states`` returned."""
    torch.set_rng_state(states["torch"].cpu())
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, cached))
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"].cpu(), device)
