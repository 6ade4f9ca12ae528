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
from masln.features.captions import CAPTION_POLICIES, CaptionRows, caption_rows, pool_captions
from masln.features.class_embeddings import class_embeddings, class_words
from masln.features.doc2vec import Doc2Vec
from masln.features.masking import class_word_forms, inflections, mask_words, word_forms
from masln.features.sentence import SentenceEncoder
from masln.features.text_counts import BagOfWords, TfIdf
from masln.features.text_extractor import TextExtractor, fitted_on
from masln.features.text_files import read_texts
from masln.features.text_folders import read_article
from masln.features.text_table import TextTable
from masln.features.topics import LatentDirichletAllocation
from masln.features.word2vec import Word2Vec
from masln.features.word_vectors import load_packaged_glove, load_word_vectors

for _extractor in (BagOfWords, TfIdf, LatentDirichletAllocation, Word2Vec, Doc2Vec, SentenceEncoder):
    extractor_resolver.register(_extractor, synonyms={_extractor.name})

__all__ = [
    "CAPTION_POLICIES",
    "MODALITIES",
    "BagOfWords",
    "CaptionRows",
    "Doc2Vec",
    "Extractor",
    "FeatureBatch",
    "LatentDirichletAllocation",
    "SentenceEncoder",
    "TextExtractor",
    "TextTable",
    "TfIdf",
    "Word2Vec",
    "caption_rows",
    "class_embeddings",
    "class_word_forms",
    "class_words",
    "extractor_names",
    "extractor_resolver",
    "fitted_on",
    "inflections",
    "load_extractor",
    "load_packaged_glove",
    "load_word_vectors",
    "make_extractor",
    "mask_words",
    "pool_captions",
    "read_article",
    "read_texts",
    "word_forms",
]
