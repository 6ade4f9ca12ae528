"""Preparation: everything that makes a bundle of one's own collection what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from masln.data import RULES
from masln.errors import ConfigError, SplitError, unknown_name
from masln.features import CAPTION_POLICIES, ON_ERROR

__all__ = ["DTYPES", "Preparation"]

DTYPES = ("float32", "float16")


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Pictures, a table, and what is made of them.

    Attributes:
        images: The folder of pictures.
        table: ``.csv``, ``.tsv``, ``.json`` or ``.jsonl``.
        image_column: Of the pictures' file names; None has it guessed, as the next three.
        text_columns: Of the captions.
        class_column: Of the classes; where a pair has several, of the main one.
        label_sets_column: Of all classes of a pair, the main one among them: a list of names in JSON, names parted by
            ``;`` in a text. None: each pair has one class.
        split_column: Of the official split; empty has one drawn even where there is a column called so.
        id_column: Of the pairs' names; by default the picture's, where no two pairs share one.
        group_column: Of groups that no drawn split parts; pairs of one picture are such a group anyway.
        gather: Rows of one picture (or of one id, where there is a column of ids) are captions of one pair.
        test_share: Of each class, where the split is drawn.
        captions: What is done with several captions, one of ``CAPTION_POLICIES``.
        mask_class_words: Take the words of all class names out of all texts.
        image_extractor: Registered name.
        image_settings: Its hyper-parameters, where they differ from the defaults.
        text_extractor: Registered name.
        text_settings: Its hyper-parameters.
        class_vectors: ``glove``, ``sentence``, ``none``, a file of word vectors, a folder of attributes in the layout
            of CUB-200-2011 or AwA2, or ``auto``: GloVe where every class name has a vector and the sentence encoder
            otherwise.
        synonyms: File of what to read instead of some class names.
        class_split: Rule of the class split on whose seen classes a learning text extractor is fitted; None fits it on
            the training pairs of all classes.
        listed: Names of the unseen classes, for the rule ``listed``.
        unseen_share: For the rule ``random``.
        seed: Of the drawn split and of the class split.
        dtype: Of the features, one of ``DTYPES``.
        batch_size: How many items go through a network at once; features depend on it in their last bits.
        on_error: ``fail`` at a row whose picture, text or class is missing or damaged, or ``skip`` it.
        checksums: File of SHA-256 sums that the table and every picture are held against; see ``Checksums``.
        name: What results call the dataset; the bundle's folder by default.
        licence: Of the data, for the manifest.
        source: Where the data came from, for the manifest.
        recipe: Further facts for the manifest's recipe, which stand over those of the preparation.

    Raises:
        ConfigError: a value is unknown or out of range.
        SplitError: the class split rule is unknown.
    """

    images: str | Path
    table: str | Path
    image_column: str | None = None
    text_columns: tuple[str, ...] = ()
    class_column: str | None = None
    label_sets_column: str | None = None
    split_column: str | None = None
    id_column: str | None = None
    group_column: str | None = None
    gather: bool = False
    test_share: float = 0.25  # ours; as of the bundled set
    captions: str = "mean"
    mask_class_words: bool = False
    image_extractor: str = "efficientnet-lite0"
    image_settings: Mapping[str, Any] = field(default_factory=dict)
    text_extractor: str = "sentence"
    text_settings: Mapping[str, Any] = field(default_factory=dict)
    class_vectors: str = "auto"
    synonyms: str | Path | None = None
    class_split: str | None = None
    listed: tuple[str, ...] | None = None
    unseen_share: float = 0.5
    seed: int = 0
    dtype: str = "float32"
    batch_size: int = 16
    on_error: str = "fail"
    checksums: str | Path | None = None
    name: str = ""
    licence: str = "not stated"
    source: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, value, known in (
            ("caption policy", self.captions, CAPTION_POLICIES),
            ("dtype", self.dtype, DTYPES),
            ("way with errors", self.on_error, ON_ERROR),
        ):
            if value not in known:
                raise ConfigError(unknown_name(what, value, known))
        if self.class_split is not None and self.class_split not in RULES:
            raise SplitError(unknown_name("class split rule", self.class_split, RULES))
        if self.batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {self.batch_size}")
        if self.seed < 0:
            raise ConfigError(f"seed must not be negative, got {self.seed}")
        if not 0 < self.test_share < 1:
            raise SplitError(f"test share {self.test_share} must lie between 0 and 1, both excluded")
