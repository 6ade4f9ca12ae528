"""Retrieval: codes of raw items by a run's model, galleries of them on disk, and search."""

from __future__ import annotations

from masln.retrieval.codes import Codes, CodeSet, Collection, is_codes_folder, of_dataset, read_codes, write_codes
from masln.retrieval.encoder import CodeExtractor, Encoder, StoredFeatures
from masln.retrieval.items import Item, ItemFile
from masln.retrieval.model_facts import ModelFacts, model_hash

__all__ = [
    "CodeExtractor",
    "CodeSet",
    "Codes",
    "Collection",
    "Encoder",
    "Item",
    "ItemFile",
    "ModelFacts",
    "StoredFeatures",
    "is_codes_folder",
    "model_hash",
    "of_dataset",
    "read_codes",
    "write_codes",
]
