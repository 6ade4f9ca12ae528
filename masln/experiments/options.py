"""From command-line options to a RunConfig: file first, then options that were given, then --set."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from masln.data import parse_class_split
from masln.experiments.config import RunConfig, apply_settings, read_config

__all__ = ["default_directory", "make_config"]

_SAME = (
    *("method", "data", "unseen_share", "seed", "splits", "seeds", "batch_seeds"),
    *("select", "budget", "search", "device", "precision"),
)
_PROTOCOL = ("setting", "gallery", "normalize", "relevance")


def make_config(options: Mapping[str, Any], given: Collection[str]) -> RunConfig:
    """Build the configuration of ``masln train``.

    Args:
        options: Every option by its Python name.
        given: Names of the options that the user wrote; only these override a configuration file.

    Raises:
        ConfigError: an unknown key or a value out of range.
    """
    values: dict[str, Any] = read_config(options["config"]) if options.get("config") else {}
    for name in _SAME:
        if name in given:
            values[name] = options[name]
    protocol = {name: options[name] for name in _PROTOCOL if name in given}
    if protocol:
        values["protocol"] = {**values.get("protocol", {}), **protocol}
    if "baselines" in given:
        values["baselines"] = [name.strip() for name in options["baselines"].split(",") if name.strip()]
    if "class_split" in given:
        values["class_split"], listed = parse_class_split(options["class_split"])
        if listed is not None:
            values["listed"] = list(listed)
    return RunConfig.from_dict(apply_settings(values, options.get("settings", ())))


def default_directory(config: RunConfig, *others: RunConfig, what: str | None = None) -> Path:
    """``runs/DATA-METHOD-SETTING-TIME`` below the working directory; ``what`` replaces the method.

    The datasets of further configurations are named too.
    """
    data = "+".join(dict.fromkeys(Path(own.data).name for own in (config, *others)))
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{data}-{what or config.method}-{config.protocol.setting}-{stamp}"
