"""YAML as configurations are written and read: what is written is read as it was."""

from __future__ import annotations

import re
from typing import Any

import yaml

__all__ = ["dump_yaml", "load_yaml"]

# YAML 1.1 reads 1e-3, as papers write a learning rate, as text; here it is a number, as in YAML 1.2.
_FLOAT = ("tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+0123456789."))


class _Loader(yaml.SafeLoader):
    pass


class _Dumper(yaml.SafeDumper):
    """With quotes around text that would be read as a number: hashes such as 41725e0396701254 are."""


_Loader.add_implicit_resolver(*_FLOAT)
_Dumper.add_implicit_resolver(*_FLOAT)


def load_yaml(text: str) -> Any:
    """The value of a YAML text.

    Raises:
        yaml.YAMLError: it is none.
    """
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def dump_yaml(value: Any) -> str:
    """A YAML text that ``load_yaml`` reads as the same value; keys in their order."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text
