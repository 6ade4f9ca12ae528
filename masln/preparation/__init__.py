"""Preparation: one's own pictures and a table of texts and classes, made into a bundle by one call."""

from __future__ import annotations

from masln.preparation.class_vectors import ClassVectorSource, make_class_vectors, open_class_vectors
from masln.preparation.columns import Columns, settle_columns
from masln.preparation.finishing import Prepared
from masln.preparation.image_folder import ImageFolder
from masln.preparation.pair_table import PairTable, read_pairs
from masln.preparation.prepare import prepare, work_folder
from masln.preparation.settings import Preparation
from masln.preparation.splitting import components, draw_split

__all__ = [
    "ClassVectorSource",
    "Columns",
    "ImageFolder",
    "PairTable",
    "Preparation",
    "Prepared",
    "components",
    "draw_split",
    "make_class_vectors",
    "open_class_vectors",
    "prepare",
    "read_pairs",
    "settle_columns",
    "work_folder",
]
