"""Sweeps: a comparison over values of a setting, a table for each value, or a row for each of a hyper-parameter."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from masln.errors import ConfigError, unknown_name
from masln.evaluation import Protocol
from masln.experiments.config import RunConfig, read_setting, setting_words
from masln.experiments.grid import GridEntry
from masln.experiments.grid_table import GridTable
from masln.experiments.record import RunRecord
from masln.models import make_method

__all__ = ["Sweep", "SweptTable", "curve_rows", "read_sweep", "sweep_entries", "swept_tables"]

_OPTION, _EXAMPLE = "--sweep", "unseen_share=0.1:0.9:0.2, or code_width=32,64,128"
_RANGE = re.compile(r"(-?[\d.]+):(-?[\d.]+):([\d.]+)")
_MOST_VALUES = 100  # of a range; more is a slip of the pen; ours
_PROTOCOL = tuple(f.name for f in dataclasses.fields(Protocol))
#: Of a run rather than of a table or a row, or other options give them.
_NOT_SWEPT = (
    *("method", "data", "hyperparameters", "baselines", "protocol", "listed", "seed", "splits", "seeds"),
    *("method_seed", "device"),
)
_KEYS = tuple(f.name for f in dataclasses.fields(RunConfig) if f.name not in _NOT_SWEPT)

#: Part the tables of a grid, so that entries need not be told apart by them: a method keeps its name over a curve.
_PARTED = (*_PROTOCOL, "class_split", "unseen_share", "train_share")


@dataclass(frozen=True)
class Sweep:
    """A setting and the values it takes.

    Attributes:
        key: Of the configuration or the protocol, or a hyper-parameter.
        values: In order, each once.
    """

    key: str
    values: tuple[Any, ...]

    @property
    def of_tables(self) -> bool:
        """Whether each value is a table of its own; else it is a row, of a hyper-parameter."""
        return self.key in (*_KEYS, *_PROTOCOL)


@dataclass(frozen=True, eq=False)
class SweptTable:
    """The table of one value of every setting that makes tables.

    Attributes:
        settings: The values; empty where there is no such setting.
        table: Its entries are called by their methods, and by what is swept among the rows.
        rows: Of each entry by its label, the values of its hyper-parameters that are swept.
    """

    settings: Mapping[str, Any]
    table: GridTable
    rows: Mapping[str, Mapping[str, Any]]


def read_sweep(text: str) -> Sweep:
    """Read ``KEY=START:STOP:STEP``, both ends among the values, or ``KEY=a,b,c``, values as YAML.

    Raises:
        ConfigError: there is no key, no value, or a range that leads nowhere.
    """
    key, _, written = text.partition("=")
    key = key.removeprefix("protocol.")
    if found := _RANGE.fullmatch(written):
        values = _range(text, *found.groups())
    else:
        key, values = read_setting(f"{key}=[{written}]" if written else text, option=_OPTION, example=_EXAMPLE)
    if key in _NOT_SWEPT:
        raise ConfigError(f"{_OPTION} {text!r}: {key} is not swept; give it as an option of its own")
    unique = list({json.dumps(value): value for value in values or ()}.values())
    if not unique:
        raise ConfigError(f"{_OPTION} {text!r} has no value; write {_OPTION} {_EXAMPLE}")
    return Sweep(key, tuple(unique))


def sweep_entries(entries: Sequence[GridEntry], sweeps: Sequence[Sweep]) -> list[GridEntry]:
    """Every entry at every combination of the values that concern it.

    Args:
        entries: One a method, called by it.
        sweeps: Of different settings; a method without a hyper-parameter that is swept stands once.

    Raises:
        ConfigError: a setting is given twice, or is none of the configuration, the protocol or any method; a value is
            out of range.
    """
    keys = [sweep.key for sweep in sweeps]
    if twice := next((key for number, key in enumerate(keys) if key in keys[:number]), None):
        raise ConfigError(f"{_OPTION} {twice} is given twice; give all of its values at once")
    parameters = {entry.label: make_method(entry.config.method).get_params() for entry in entries}
    known = {key for own in parameters.values() for key in own}
    for sweep in sweeps:
        if not sweep.of_tables and sweep.key not in known:
            kind = "configuration key or hyper-parameter of these methods"
            raise ConfigError(unknown_name(kind, sweep.key, {*_KEYS, *_PROTOCOL, *known}))
    outer = [sweep for sweep in sweeps if sweep.of_tables]
    found = []
    for values in itertools.product(*(sweep.values for sweep in outer)):
        for entry in entries:
            inner = [sweep for sweep in sweeps if sweep.key in parameters[entry.label] and not sweep.of_tables]
            for own in itertools.product(*(sweep.values for sweep in inner)):
                settings = dict(zip((sweep.key for sweep in (*inner, *outer)), (*own, *values), strict=True))
                found.append(_with_settings(entry, settings))
    return found


def swept_tables(tables: Sequence[GridTable]) -> list[SweptTable]:
    """Part the tables of a grid by the settings in which its entries differ, beside method and hyper-parameters.

    Entries of one table of the grid may differ in what parts no tables there, such as ``precision``; each of its values
    is a table here. They are told by the configurations alone, so that a grid which
    is read back gives the same.
    """
    entries = [entry for table in tables for entry in table.entries]
    keys = _differing([_settings(entry.config) for entry in entries])
    own_keys = {
        method: _differing([e.config.hyperparameters for e in entries if e.config.method == method])
        for method in dict.fromkeys(entry.config.method for entry in entries)
    }
    found = []
    for table in tables:
        groups: dict[str, list[GridEntry]] = {}
        for entry in table.entries:
            settings = _settings(entry.config)
            groups.setdefault(json.dumps([settings[key] for key in keys]), []).append(entry)
        for group in groups.values():
            settings, rows, names = _settings(group[0].config), {}, {}
            for entry in group:
                values = entry.config.hyperparameters
                swept = {key: values[key] for key in own_keys[entry.config.method] if key in values}
                names[entry.label] = _label(entry.config.method, swept)
                rows[names[entry.label]] = swept
            found.append(SweptTable({key: settings[key] for key in keys}, _renamed(table, group, names), rows))
    return found


def curve_rows(tables: Sequence[SweptTable], rows: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """One row for each part, method and value of what is swept: the curves.

    Args:
        tables: As parted.
        rows: Of each, those of ``GridTable.rows``.

    Returns:
        The rows with ``data`` and ``sweep``, the values of what is swept, and ``method`` without
        them; by data, part and method, then as swept. Nothing where nothing is swept.
    """
    found = []
    for number, (swept, own) in enumerate(zip(tables, rows, strict=True)):
        entries = list(swept.table.entries)
        for row in own:
            entry = next(entry for entry in entries if _is_of(row["method"], entry.label))
            method = entry.config.method + row["method"].removeprefix(entry.label)
            values = {**swept.settings, **swept.rows.get(entry.label, {})}
            place = number, entries.index(entry)
            found.append((place, row | {"data": swept.table.data, "method": method, "sweep": values}))
    if not any(row["sweep"] for _, row in found):
        return []
    found.sort(key=lambda item: item[0])
    order = {key: list(dict.fromkeys(row[key] for _, row in found)) for key in ("data", "part", "method")}
    found.sort(key=lambda item: [order[key].index(item[1][key]) for key in order])
    return [row for _, row in found]


def _range(text: str, start: str, stop: str, step: str) -> tuple[Any, ...]:
    try:
        first, last, pace = Decimal(start), Decimal(stop), Decimal(step)  # .1 + .2 is .3 here
    except InvalidOperation as error:
        raise ConfigError(f"{_OPTION} {text!r}: a range is START:STOP:STEP, such as {_EXAMPLE}") from error
    if pace <= 0 or last < first or (last - first) / pace >= _MOST_VALUES:
        raise ConfigError(f"{_OPTION} {text!r}: a range goes up, by at most {_MOST_VALUES} values")
    values = [first + number * pace for number in range(int((last - first) / pace) + 1)]
    whole = all("." not in part for part in (start, step))
    return tuple(int(value) if whole else float(value) for value in values)


def _with_settings(entry: GridEntry, settings: Mapping[str, Any]) -> GridEntry:
    values = entry.config.to_dict()
    for key, value in settings.items():
        place = values["protocol"] if key in _PROTOCOL else values if key in _KEYS else values["hyperparameters"]
        place[key] = value
    config = RunConfig.from_dict(values)
    make_method(config.method, **config.hyperparameters)
    told = {key: getattr(config, key, value) for key, value in settings.items() if key not in _PARTED}
    return GridEntry(_label(entry.label, told), config)


def _label(method: str, settings: Mapping[str, Any]) -> str:
    return ", ".join([method, *(f"{key}={setting_words(value)}" for key, value in settings.items())])


def _settings(config: RunConfig) -> dict[str, Any]:
    """All that a table can be of, the protocol's beside the configuration's."""
    return {key: getattr(config, key) for key in _KEYS} | config.protocol.to_dict()


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys whose values are not the same in all."""
    keys = dict.fromkeys(key for own in settings for key in own)
    return [key for key in keys if len({json.dumps(own.get(key), sort_keys=True) for own in settings}) > 1]


def _is_of(method: str, label: str) -> bool:
    """Whether records of this method are an entry's: under its label, or re-ranked ones of it."""
    return method == label or method.startswith(f"{label}, top ")


def _renamed(table: GridTable, entries: Sequence[GridEntry], names: Mapping[str, str]) -> GridTable:
    """A part of a table, its entries called by other names."""
    records = []
    for record in table.records:
        for label, name in names.items():
            if _is_of(record.method, label):
                facts = {**record.facts, "method": name + record.method.removeprefix(label)}
                records.append(RunRecord(facts, record.parts, record.per_query))
    failed = {names[label]: why for label, why in table.failed.items() if label in names}
    renamed = tuple(GridEntry(names[entry.label], entry.config) for entry in entries)
    return GridTable(renamed, table.data, table.data_hash, records, failed)
