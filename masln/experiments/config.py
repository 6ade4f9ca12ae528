"""RunConfig: everything that makes a run what it is, strict to read, saved whole."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from masln.data import DEFAULT_DATASET, RULES, ClassSplit, make_class_split
from masln.errors import ConfigError, SplitError, unknown_name
from masln.evaluation import Protocol
from masln.experiments.search import check_search
from masln.experiments.yaml_text import load_yaml
from masln.training import Runtime

__all__ = ["RunConfig", "apply_settings", "published_settings", "read_config", "read_setting", "setting_words"]

BASELINES = ("cca", "chance")
_PUBLISHED = Path(__file__).parent / "published"


@dataclass(frozen=True)
class RunConfig:
    """One method on one dataset under one protocol, over ``splits`` class splits and ``seeds`` seeds.

    Attributes:
        method: Registered name of the method.
        data: Bundled name, or path of a bundle.
        hyperparameters: Of the method, where they differ from its defaults; these are not searched.
        baselines: Methods whose rows stand beside it, each with its own search.
        protocol: How codes are scored.
        class_split: Rule: ``random``, ``parity``, ``parity-odd``, or ``listed``.
        listed: Names of the unseen classes, for ``listed``.
        unseen_share: Share of unseen classes, for ``random``.
        validation_share: Share of the seen classes that validate.
        train_share: Share of the training pairs of each seen class that methods are fitted on.
        class_vectors: Class embeddings: ``own`` of the dataset, ``random``, or a kind of ``masln prepare
            --class-vectors``, such as ``sentence``.
        select: Choose search-space values and the stopping epoch on validation classes, then fit on all seen ones.
        budget: Configurations that every method may try on validation classes, out of its search space and what it
            declares beside it for a budget; 0: the search space alone, whole.
        search: How they are picked where there are more than the budget: ``random`` or ``tpe`` (extra: hpo).
        seed: First seed of class splits, and of methods unless ``method_seed`` is set.
        splits: Class splits, with seeds ``seed``, ``seed + 1``, ...
        seeds: Seeds of the method on each split.
        method_seed: First seed of the methods; None takes ``seed``.
        batch_seeds: Train the seeds on a split in one pass, where the method can (``masln.models.fit_seeds``); codes
            differ from those of a run alone by rounding. Nothing is then chosen on validation classes.
        rerank: How many items of every ranking a method with a joint score puts in order anew, for figures of their
            own beside those of its codes; 0 leaves them out.
        device: See ``masln.training.Runtime``.
        precision: See ``masln.training.Runtime``.
    """

    method: str = "masln"
    data: str = DEFAULT_DATASET
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    baselines: tuple[str, ...] = BASELINES
    protocol: Protocol = field(default_factory=Protocol)
    class_split: str = "random"
    listed: tuple[str, ...] = ()
    unseen_share: float = 0.5
    validation_share: float = 0.2
    train_share: float = 1.0
    class_vectors: str = "own"
    select: bool = True
    budget: int = 0
    search: str = "random"
    seed: int = 0
    splits: int = 1
    seeds: int = 1
    method_seed: int | None = None
    batch_seeds: bool = False
    rerank: int = 50
    device: str = "auto"
    precision: str = "fp32"

    def __post_init__(self) -> None:
        if self.class_split not in RULES[:-1]:
            raise SplitError(unknown_name("class split rule", self.class_split, RULES[:-1]))
        for name in ("splits", "seeds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.validation_share < 1:
            raise ConfigError(f"validation_share must lie between 0 and 1, got {self.validation_share}")
        check_search(self.search, budget=self.budget, select=self.select)
        if not 0 < self.train_share <= 1:
            raise ConfigError(f"train_share must lie above 0 and at most at 1, got {self.train_share}")
        if self.class_vectors in ("", "none"):
            raise ConfigError("class_vectors is own, random or a kind; MASLN does without by class_embedding=false")
        Runtime(device=self.device, precision=self.precision)  # refuses unknown ones
        if "seed" in self.hyperparameters and self.seeds > 1:
            raise ConfigError("a fixed hyper-parameter seed makes several seeds equal; leave it out and set seed")
        if self.batch_seeds and self.select:
            raise ConfigError("seeds in one pass cannot choose on validation classes, each for itself; add --no-select")
        for name in ("seed", "rerank"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.splits > 1 and (self.class_split != "random" or self.protocol.setting == "standard"):
            raise ConfigError("several splits need the random class split of seen_unseen or generalized; use --seeds")

    @property
    def first_method_seed(self) -> int:
        """The first seed of the methods."""
        return self.seed if self.method_seed is None else self.method_seed

    @property
    def split_rule(self) -> tuple[str, float | None, tuple[str, ...]]:
        """Rule of the class splits, the share of unseen classes of a random one, and the names of a listed one."""
        if self.protocol.setting == "standard":
            return "all-seen", None, ()
        return self.class_split, self.unseen_share if self.class_split == "random" else None, self.listed

    @property
    def table(self) -> tuple[Any, ...]:
        """What runs on one dataset that stand in one table have in common: protocol, class splits, training pairs."""
        return self.protocol.hash, *self.split_rule, self.train_share

    def make_split(self, class_names: Sequence[str], number: int) -> ClassSplit:
        """The class split of this number, from 0."""
        return make_class_split(
            class_names,
            rule=self.split_rule[0],
            unseen_share=self.unseen_share,
            listed=self.listed,
            validation_share=self.validation_share,
            seed=self.seed + number,
        )

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form that ``from_dict`` reads back."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
        return plain | {"protocol": self.protocol.to_dict(), "hyperparameters": dict(self.hyperparameters)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunConfig:
        """Read a configuration.

        Raises:
            ConfigError: a key is unknown (the nearest known one is named) or a value has the wrong type.
        """
        known = {f.name: f for f in dataclasses.fields(cls)}
        kept: dict[str, Any] = {}
        for key, value in values.items():
            if key not in known:
                raise ConfigError(unknown_name("configuration key", key, known))
            kept[key] = _typed(key, value)
        return cls(**kept)


def published_settings() -> dict[str, Path]:
    """The configurations that ship, a file for each method as its paper or public code sets it, by name."""
    return {path.stem: path for path in sorted(_PUBLISHED.glob("*.yaml"))}


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a YAML or JSON configuration file into plain values.

    Args:
        path: A file, or the name of published settings, such as ``dcca_wang2015``.

    Raises:
        ConfigError: the file cannot be read, is not a mapping, or has keys that are not text.
    """
    published = published_settings()
    if not Path(path).exists() and not Path(path).suffix and Path(path).name == str(path):
        if str(path) not in published:
            raise ConfigError(unknown_name("file or published settings", str(path), published))
        path = published[str(path)]
    try:
        values = load_yaml(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).replace("\n", " ")
        raise ConfigError(f"configuration {path} cannot be read ({reason})") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigError(f"configuration {path} must map keys to values, one 'key: value' a line")
    return values


def apply_settings(values: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Apply ``key=value`` and ``part.key=value`` settings; values are read as YAML.

    A key that is no key of the configuration is a hyper-parameter of the method.

    Raises:
        ConfigError: a setting has no ``=``, or names a part that is not there.
    """
    result = {key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    known = {f.name for f in dataclasses.fields(RunConfig)}
    for setting in settings:
        key, value = read_setting(setting)
        head, _, tail = key.partition(".")
        if not tail and head not in known:
            head, tail = "hyperparameters", head
        if not tail:
            result[head] = value
        elif head in ("hyperparameters", "protocol"):
            result[head] = {**_mapping(head, result.get(head) or {}), tail: value}
        else:
            raise ConfigError(unknown_name("configuration part", head, ("hyperparameters", "protocol")))
    return result


def read_setting(setting: str, *, option: str = "--set", example: str = "code_width=64") -> tuple[str, Any]:
    """Read one ``key=value`` of a command line, the value as YAML.

    Args:
        setting: As written.
        option: What it was given to, for messages.
        example: A sound one, for messages.

    Raises:
        ConfigError: there is no ``=``, no key, or the value is no YAML.
    """
    key, equals, text = setting.partition("=")
    if not (equals and key):
        raise ConfigError(f"{option} {setting!r}: write key=value, such as {option} {example}")
    try:
        return key, load_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{option} {setting!r}: the value cannot be read as YAML") from error


def setting_words(value: Any) -> str:
    """A value of a setting as it is written in the name of a row."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _typed(key: str, value: Any) -> Any:
    if key == "protocol":
        return value if isinstance(value, Protocol) else Protocol.from_dict(_mapping(key, value))
    if key == "hyperparameters":
        return _mapping(key, value)
    if key in ("baselines", "listed"):
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f"configuration key {key!r} must be a list of names, got {value!r}")
        return tuple(value)
    if key == "method_seed":
        if value is not None and type(value) is not int:
            raise ConfigError(f"configuration key 'method_seed' must be int or null, got {value!r}")
        return value
    expected = type(RunConfig.__dataclass_fields__[key].default)
    if expected is float and type(value) is int:
        return float(value)
    if type(value) is not expected:
        raise ConfigError(f"configuration key {key!r} must be {expected.__name__}, got {value!r}")
    return value


def _mapping(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"configuration key {key!r} must be a mapping of names to values, got {value!r}")
    return value
