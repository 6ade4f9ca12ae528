"""The ablation of MASLN: its losses and parts, one switched off or replaced at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from masln.errors import ConfigError
from masln.experiments.config import RunConfig
from masln.experiments.grid import GridEntry

__all__ = ["ABLATIONS", "FULL", "ablation_entries"]

FULL = "full"
#: What each row changes of MASLN's hyper-parameters.
ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    FULL: {},
    "without reconstruction": {"reconstruction": 0.0},
    "without correlation": {"correlation": 0.0},
    "without classification": {"classification": 0.0},
    "without adversary": {"adversarial": 0.0},
    "without class embedding": {"class_embedding": False},
    "without canonical directions": {"canonical_width": 0},
    "gradient reversal": {"adversary": "reversal"},
}


def ablation_entries(config: RunConfig, *, class_vectors: Sequence[str] = ("sentence", "random")) -> list[GridEntry]:
    """The rows of the ablation: the whole method, then each change, then other class embeddings.

    Args:
        config: Of MASLN; what it says stays, but for what a row changes.
        class_vectors: Kinds that stand in for the dataset's own, see ``RunConfig.class_vectors``.

    Raises:
        ConfigError: it is of another method, or takes away what a row changes.
    """
    if config.method != "masln":
        raise ConfigError(f"the ablation is of masln's losses and parts, not of {config.method}: leave out method")
    config = dataclasses.replace(config, baselines=())
    changed = sorted({key for change in ABLATIONS.values() for key in change if key in config.hyperparameters})
    if changed:
        raise ConfigError(f"the ablation sets {', '.join(changed)} itself: leave them out of the configuration")
    entries = [
        GridEntry(label, dataclasses.replace(config, hyperparameters={**config.hyperparameters, **change}))
        for label, change in ABLATIONS.items()
    ]
    kinds = [kind for kind in dict.fromkeys(class_vectors) if kind != config.class_vectors]
    return entries + [
        GridEntry(f"class vectors: {Path(kind).name}", dataclasses.replace(config, class_vectors=kind))
        for kind in kinds
    ]
