"""Retrieval: codes of raw items by a run's model, galleries of them on disk, and search."""

from __future__ import annotations

from masln.retrieval.backend import Allowed, Backend, Exact, backend_resolver, make_backend
from masln.retrieval.codes import Codes, CodeSet, Collection, is_codes_folder, of_dataset, read_codes, write_codes
from masln.retrieval.encoder import CodeExtractor, Encoder, StoredFeatures
from masln.retrieval.faiss_backend import Faiss
from masln.retrieval.gallery import Gallery, build_gallery
from masln.retrieval.items import Item, ItemFile
from masln.retrieval.milvus_backend import Milvus
from masln.retrieval.model_facts import ModelFacts, model_hash
from masln.retrieval.recall import recall_at
from masln.retrieval.search import Answer, Hit, picture_of, search, search_by_item, search_class
from masln.retrieval.side import Side
from masln.retrieval.top_k import Part, exact_top_k
from masln.retrieval.vectors import asked_vectors, stored_vectors

for _backend in (Exact, Faiss, Milvus):
    backend_resolver.register(_backend, synonyms={_backend.name})

__all__ = [
    "Allowed",
    "Answer",
    "Backend",
    "CodeExtractor",
    "CodeSet",
    "Codes",
    "Collection",
    "Encoder",
    "Exact",
    "Faiss",
    "Gallery",
    "Hit",
    "Item",
    "ItemFile",
    "Milvus",
    "ModelFacts",
    "Part",
    "Side",
    "StoredFeatures",
    "asked_vectors",
    "backend_resolver",
    "build_gallery",
    "exact_top_k",
    "is_codes_folder",
    "make_backend",
    "model_hash",
    "of_dataset",
    "picture_of",
    "read_codes",
    "recall_at",
    "search",
    "search_by_item",
    "search_class",
    "stored_vectors",
    "write_codes",
]
