"""Features: extractors of images and texts under one contract, and the embeddings of class names.

Heavy libraries are imported only when they are used.
"""

from __future__ import annotations

from masln.features.base import (
    MODALITIES,
    Extractor,
    FeatureBatch,
    extractor_names,
    extractor_resolver,
    load_extractor,
    make_extractor,
)
from masln.features.class_embeddings import class_embeddings, class_words
from masln.features.word_vectors import load_packaged_glove, load_word_vectors

__all__ = [
    "MODALITIES",
    "Extractor",
    "FeatureBatch",
    "class_embeddings",
    "class_words",
    "extractor_names",
    "extractor_resolver",
    "load_extractor",
    "load_packaged_glove",
    "load_word_vectors",
    "make_extractor",
]
