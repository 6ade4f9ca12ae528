"""Extendable (zero-shot) cross-modal retrieval: MASLN, its baselines, and one protocol to compare them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from masln._version import __version__

if TYPE_CHECKING:
    from masln.data import ClassSplit, PairedDataset, load_dataset
    from masln.evaluation import Protocol, evaluate
    from masln.models import CCA, MASLN, Chance, load_method

__all__ = [
    "CCA",
    "MASLN",
    "Chance",
    "ClassSplit",
    "PairedDataset",
    "Protocol",
    "__version__",
    "evaluate",
    "load_dataset",
    "load_method",
]

_HOMES = {
    "masln.data": ("ClassSplit", "PairedDataset", "load_dataset"),
    "masln.evaluation": ("Protocol", "evaluate"),
    "masln.models": ("CCA", "MASLN", "Chance", "load_method"),
}


def __getattr__(name: str) -> Any:
    # torch alone takes two seconds to import: names are fetched when first used, so `import masln` is instant.
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'masln' has no attribute {name!r}")
