"""What of a machine its times depend on, for the JSON of a benchmark."""

from __future__ import annotations

import platform
from typing import Any

import torch

__all__ = ["machine_facts"]


def machine_facts() -> dict[str, Any]:
    """Torch's version, the processor's kind, its widest instructions, and whether it computes in bf16."""
    able = torch.cpu.get_capabilities()
    return {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "bf16_arithmetic": any(able.get(name, False) for name in ("amx_bf16", "avx512_bf16")),
    }
