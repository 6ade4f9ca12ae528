"""Features: for now the embeddings of class names; heavy libraries are imported only when they are used."""

from __future__ import annotations

from masln.features.class_embeddings import class_embeddings, class_words
from masln.features.word_vectors import load_packaged_glove, load_word_vectors

__all__ = ["class_embeddings", "class_words", "load_packaged_glove", "load_word_vectors"]
