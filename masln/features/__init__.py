"""Features: extractors of images and texts under one contract, and the embeddings of class names.

Heavy libraries are imported only when they are used.
"""

from __future__ import annotations

from masln.features.attributes import (
    AttributeTable,
    attribute_embeddings,
    read_attributes,
    read_awa_attributes,
    read_cub_attributes,
)
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
from masln.features.class_texts import definition_embeddings, encoded_class_names, read_class_texts, wordnet_definitions
from masln.features.doc2vec import Doc2Vec
from masln.features.efficientnet import EfficientNetLite0
from masln.features.hf_vision import HFVision
from masln.features.images import MAX_PIXELS, list_images, read_image
from masln.features.joined import JoinedText
from masln.features.masking import class_word_forms, inflections, mask_words, word_forms
from masln.features.perceptual import HASH_BITS, image_fingerprint, require_fingerprints
from masln.features.rows_file import RowsFile
from masln.features.sentence import SentenceEncoder
from masln.features.text_counts import BagOfWords, TfIdf
from masln.features.text_extractor import TextExtractor, fitted_on
from masln.features.text_files import TEXT_NAMES, Row, guess_columns, read_rows, read_texts, texts_of_rows
from masln.features.text_folders import read_article
from masln.features.text_table import ON_ERROR, TextTable
from masln.features.topics import LatentDirichletAllocation
from masln.features.vgg import VGG19FC7
from masln.features.word2vec import Word2Vec
from masln.features.word_vectors import load_packaged_glove, load_word_vectors
from masln.features.writing import Skipped, WrittenFeatures, write_features

_IMAGES = (EfficientNetLite0, HFVision, VGG19FC7)
_TEXTS = (BagOfWords, TfIdf, LatentDirichletAllocation, Word2Vec, Doc2Vec, SentenceEncoder, JoinedText)
for _extractor in (*_IMAGES, *_TEXTS):
    extractor_resolver.register(_extractor, synonyms={_extractor.name})

__all__ = [
    "CAPTION_POLICIES",
    "HASH_BITS",
    "MAX_PIXELS",
    "MODALITIES",
    "ON_ERROR",
    "TEXT_NAMES",
    "VGG19FC7",
    "AttributeTable",
    "BagOfWords",
    "CaptionRows",
    "Doc2Vec",
    "EfficientNetLite0",
    "Extractor",
    "FeatureBatch",
    "HFVision",
    "JoinedText",
    "LatentDirichletAllocation",
    "Row",
    "RowsFile",
    "SentenceEncoder",
    "Skipped",
    "TextExtractor",
    "TextTable",
    "TfIdf",
    "Word2Vec",
    "WrittenFeatures",
    "attribute_embeddings",
    "caption_rows",
    "class_embeddings",
    "class_word_forms",
    "class_words",
    "definition_embeddings",
    "encoded_class_names",
    "extractor_names",
    "extractor_resolver",
    "fitted_on",
    "guess_columns",
    "image_fingerprint",
    "inflections",
    "list_images",
    "load_extractor",
    "load_packaged_glove",
    "load_word_vectors",
    "make_extractor",
    "mask_words",
    "pool_captions",
    "read_article",
    "read_attributes",
    "read_awa_attributes",
    "read_class_texts",
    "read_cub_attributes",
    "read_image",
    "read_rows",
    "read_texts",
    "require_fingerprints",
    "texts_of_rows",
    "word_forms",
    "wordnet_definitions",
    "write_features",
]
