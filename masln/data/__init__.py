"""Paired image-text data: datasets, class splits, bundles on disk, the bundled default, and where public sets are."""

from __future__ import annotations

from masln.data.bundle import bundle_hash, file_sha256, fill_bundle, read_bundle, write_bundle
from masln.data.bundle_folder import check_target, put_back, put_in_place
from masln.data.catalogue import DEFAULT_DATASET, bundled_datasets, find_bundle, load_dataset
from masln.data.class_split import (
    RULES,
    ClassSplit,
    class_key,
    make_class_split,
    parse_class_split,
    read_class_list,
)
from masln.data.counts import carried_counts_of, counts_of
from masln.data.fetching import Fetched, FetchedFile, fetch_source
from masln.data.label_sets import check_label_sets, labels_per_pair, mixed_pairs, only_of
from masln.data.leakage import leakage_report
from masln.data.paired import PairedDataset
from masln.data.sequences import check_text_mask, finite_rows, row_blocks
from masln.data.sources import DataSource, RemoteFile, data_sources, find_source, where_to_get

__all__ = [
    "DEFAULT_DATASET",
    "RULES",
    "ClassSplit",
    "DataSource",
    "Fetched",
    "FetchedFile",
    "PairedDataset",
    "RemoteFile",
    "bundle_hash",
    "bundled_datasets",
    "carried_counts_of",
    "check_label_sets",
    "check_target",
    "check_text_mask",
    "class_key",
    "counts_of",
    "data_sources",
    "fetch_source",
    "file_sha256",
    "fill_bundle",
    "find_bundle",
    "find_source",
    "finite_rows",
    "labels_per_pair",
    "leakage_report",
    "load_dataset",
    "make_class_split",
    "mixed_pairs",
    "only_of",
    "parse_class_split",
    "put_back",
    "put_in_place",
    "read_bundle",
    "read_class_list",
    "row_blocks",
    "where_to_get",
    "write_bundle",
]
