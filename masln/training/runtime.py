"""Runtime: where and how a fit runs; nothing in it is a hyper-parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from masln.errors import ConfigError, unknown_name

__all__ = ["DEVICES", "PRECISIONS", "Runtime", "autocast", "resolve_device"]

PRECISIONS = ("fp32", "bf16")
DEVICES = ("auto", "cpu", "cuda", "mps")
Tracker = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Runtime:
    """Choices about the machine, the files written while training, and who is told.

    Attributes:
        device: ``auto`` (an accelerator if there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: ``fp32``, or ``bf16`` (autocast, weights stay fp32). On a CPU without bf16 arithmetic torch emulates
            it, and a step takes longer than in fp32.
        checkpoint: File of the checkpoint; None writes none.
        checkpoint_seconds: Least time between two checkpoints.
        resume: Go on from ``checkpoint`` if it is there.
        trackers: Each is called with every event, a flat dictionary.
        progress: Show a progress bar where standard error is a terminal.
        memory_bytes: Features up to this size are scaled once and kept in memory; larger ones are read and
            scaled batch by batch.
    """

    device: str = "auto"
    precision: str = "fp32"
    checkpoint: Path | None = None
    checkpoint_seconds: float = 15.0
    resume: bool = False
    trackers: tuple[Tracker, ...] = ()
    progress: bool = False
    memory_bytes: int = 4 * 2**30

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ConfigError(unknown_name("precision", self.precision, PRECISIONS))
        kind, colon, index = self.device.partition(":")
        if kind not in DEVICES or (colon and not (kind == "cuda" and index.isdigit())):
            raise ConfigError(unknown_name("device", self.device, DEVICES))

    def beside(self, name: str) -> Runtime:
        """For another fit that serves this one: its checkpoint stands beside this one's, and nobody is told of it."""
        path = self.checkpoint and self.checkpoint.with_name(f"{self.checkpoint.stem}-{name}{self.checkpoint.suffix}")
        return replace(self, checkpoint=path, trackers=(), progress=False)


def resolve_device(name: str) -> torch.device:
    """Turn a device option into a torch device.

    Raises:
        ConfigError: the accelerator asked for is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = name.partition(":")
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and int(index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there[kind]:
        raise ConfigError(f"device {name!r} is not available on this machine; use --device auto or cpu")
    return torch.device(name)


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context in which one forward pass runs.

    It must be entered anew for every step: around the whole loop it caches the bf16 copies of the weights and
    trains on stale ones (unseen mAP .25 fell to .11).
    """
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
