"""Tables as papers print them: their figures, and how a run of ours that is put beside them is made.

One file a table, ``tables/NAME.yaml``; a new one is found without registration. Its keys are the fields of
``PublishedTable`` and, below ``datasets`` and ``methods``, of ``TableDataset`` and ``TableMethod``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from masln.data import RULES
from masln.errors import ConfigError, MaslnError, unknown_name
from masln.evaluation import Protocol
from masln.experiments.config import published_settings, read_config
from masln.models import method_resolver

__all__ = ["Figures", "PublishedTable", "TableDataset", "TableMethod", "published_tables", "read_table"]

_TABLES = Path(__file__).parent / "tables"
_PARTS = {
    "standard": ("all",),
    "seen_unseen": ("unseen", "seen", "generalized unseen", "generalized seen", "harmonic"),
    "generalized": ("generalized unseen", "generalized seen", "harmonic"),
}


class Figures(NamedTuple):
    """mAP@all as printed: image to text, text to image, and the average as the paper rounds it."""

    i2t: float
    t2i: float
    average: float


@dataclass(frozen=True, kw_only=True)
class TableDataset:
    """A dataset of a table.

    Attributes:
        source: What ``masln data fetch`` calls it; empty where it does not know the set.
        classes: How many the published table is about; a bundle with another number is another set.
    """

    classes: int
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class TableMethod:
    """A row of a table: the published figures, and what runs here beside them.

    Attributes:
        figures: By dataset.
        source: A key of the table's ``sources``: where the figures were read.
        settings: Published settings that it runs with, such as ``dcca_wang2015``; or empty.
        method: Registered name, for a method of which no settings are published: its search space stands in.
        absent: Why nothing runs beside this row; exactly one of the three is given.
    """

    figures: Mapping[str, Figures]
    source: str
    settings: str = ""
    method: str = ""
    absent: str = ""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.settings, self.method, self.absent))) != 1:
            raise ConfigError("exactly one of settings, method and absent must be given")
        if self.settings and self.settings not in published_settings():
            raise ConfigError(unknown_name("published settings", self.settings, published_settings()))
        if self.method and self.method not in method_resolver.lookup_dict:
            raise ConfigError(unknown_name("method", self.method, method_resolver.lookup_dict))

    @property
    def registered(self) -> str:
        """Name of the method that runs; empty where none does."""
        return str(read_config(self.settings)["method"]) if self.settings else self.method

    def run_values(self) -> dict[str, Any]:
        """What a ``RunConfig`` takes of the row: method, hyper-parameters and whether it selects; not the setting."""
        if not self.settings:
            return {"method": self.method}
        values = read_config(self.settings)
        return {key: values[key] for key in ("method", "hyperparameters", "select") if key in values}


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """A table of a paper, and the rules by which it is repeated.

    Attributes:
        name: What ``masln reproduce`` calls it.
        title: What it shows, in a few words.
        protocol: How codes are scored.
        part: The part of the evaluation whose figures it holds.
        features: What the papers' features are.
        datasets: By the name that the figures go by.
        sources: Where figures were read, by a short name.
        methods: By the name that the paper prints.
        named_splits: Class split rules that need no draw, one class split each; none in the standard setting.
        unseen_share: Of the random class splits that are reported apart; 0 where there are none.
    """

    name: str
    title: str
    protocol: Protocol
    part: str
    features: str
    datasets: Mapping[str, TableDataset]
    sources: Mapping[str, str]
    methods: Mapping[str, TableMethod]
    named_splits: tuple[str, ...] = ()
    unseen_share: float = 0.0

    def __post_init__(self) -> None:
        setting = self.protocol.setting
        if self.part not in _PARTS[setting]:
            raise ConfigError(unknown_name(f"part of the setting {setting}", self.part, _PARTS[setting]))
        drawless = [rule for rule in RULES if rule.startswith("parity")]
        for rule in self.named_splits:
            if rule not in drawless:
                raise ConfigError(unknown_name("named class split", rule, drawless))
        if (setting == "standard") == bool(self.named_splits or self.unseen_share):
            raise ConfigError("named_splits and unseen_share go with every setting but standard, which has no split")
        if self.unseen_share and not 0 < self.unseen_share < 1:
            raise ConfigError(f"unseen_share must lie between 0 and 1, got {self.unseen_share}")
        for name, method in self.methods.items():
            if method.source not in self.sources:
                raise ConfigError(f"methods: {name}: {unknown_name('source', method.source, self.sources)}")
            for dataset in method.figures:
                if dataset not in self.datasets:
                    raise ConfigError(f"methods: {name}: {unknown_name('dataset', dataset, self.datasets)}")


def published_tables() -> dict[str, Path]:
    """The files of the tables that ship, by name."""
    return {path.stem.replace("_", "-"): path for path in sorted(_TABLES.glob("*.yaml"))}


def read_table(name: str | Path) -> PublishedTable:
    """Read a table by its name, or from a file of one's own.

    Args:
        name: Such as ``zero-shot-unseen``; underscores do as well. Or the path of a YAML file.

    Raises:
        ConfigError: there is no such table, a key is unknown (the nearest known one is named), missing, or its value
            is none that it takes.
    """
    known = published_tables()
    path = known.get(str(name).lower().replace("_", "-"), Path(name))
    if not path.suffix:
        raise ConfigError(unknown_name("table", str(name), known))
    try:
        return _table(path.stem.replace("_", "-"), read_config(path))
    except MaslnError as error:
        message = str(error)
        raise ConfigError(message if str(path) in message else f"{path}: {message}") from error


def _table(name: str, values: Mapping[str, Any]) -> PublishedTable:
    kept = _checked(PublishedTable, values, "", apart=("name",))
    kept["protocol"] = Protocol.from_dict(_mapping("protocol", kept["protocol"]))
    kept["named_splits"] = _names("named_splits", kept.get("named_splits", []))
    kept["sources"] = {
        key: _typed(f"sources: {key}", value, str) for key, value in _mapping("sources", kept["sources"]).items()
    }
    kept["datasets"] = {
        key: TableDataset(**_checked(TableDataset, value, f"datasets: {key}: "))
        for key, value in _mapping("datasets", kept["datasets"]).items()
    }
    kept["methods"] = {
        key: _method(value, f"methods: {key}: ") for key, value in _mapping("methods", kept["methods"]).items()
    }
    return PublishedTable(name=name, **kept)


def _method(values: Any, where: str) -> TableMethod:
    kept = _checked(TableMethod, values, where)
    figures = _mapping(f"{where}figures", kept["figures"]).items()
    kept["figures"] = {dataset: _figures(f"{where}figures: {dataset}", value) for dataset, value in figures}
    try:
        return TableMethod(**kept)
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from error


def _figures(where: str, value: Any) -> Figures:
    if not isinstance(value, list) or len(value) != 3 or not all(isinstance(v, float) and 0 <= v <= 1 for v in value):
        raise ConfigError(f"{where} must be three figures from 0 to 1 (image to text, text to image, average)")
    return Figures(*value)


def _checked(cls: type[Any], values: Any, where: str, *, apart: tuple[str, ...] = ()) -> dict[str, Any]:
    """The values of a mapping that stand for fields of ``cls``: known ones, none missing, plain ones of their type."""
    fields = {field.name: field for field in dataclasses.fields(cls) if field.name not in apart}
    values = _mapping(where.rstrip(": ") or "the file", values)
    for key in values:
        if key not in fields:
            raise ConfigError(f"{where}{unknown_name('key', key, fields)}")
    missing = [key for key, field in fields.items() if field.default is dataclasses.MISSING and key not in values]
    if missing:
        raise ConfigError(f"{where}{', '.join(missing)} must be given")
    plain = {"str": str, "int": int, "float": float}
    return {
        key: _typed(f"{where}{key}", value, plain[str(fields[key].type)]) if fields[key].type in plain else value
        for key, value in values.items()
    }


def _typed(where: str, value: Any, expected: type[Any]) -> Any:
    if type(value) is not expected or value == "":
        raise ConfigError(f"{where} must be {expected.__name__}, got {value!r}")
    return value


def _names(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"{where} must be a list of names, got {value!r}")
    return tuple(value)


def _mapping(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{where} must map names to values, got {value!r}")
    return value
