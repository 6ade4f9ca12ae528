"""One query put to a gallery in several ways, each giving the ids found, the best first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from masln.experiments import open_encoder
from masln.features import load_extractor
from masln.models import OnnxEncoder
from masln.retrieval import Gallery, search


def ids_of_command_line(masln: Callable[..., Any], gallery: Path, query: str, *, modality: str, find: str) -> list[str]:
    """``masln`` is the fixture of that name."""
    asked = [query] if modality == "text" else ["--image", query]
    done = masln("search", str(gallery), *asked, "--find", find, "--json")
    assert done.code == 0, done.err
    return [hit["id"] for hit in json.loads(done.out)["hits"]]


def ids_of_python(gallery: Path, query: str, *, modality: str, find: str, run: Path | None = None) -> list[str]:
    opened = Gallery(gallery)
    (answer,) = search(opened, open_encoder(run or opened.model.run), [query], modality=modality, find=find)
    return [hit.item.id for hit in answer.hits]


def ids_of_onnx(gallery: Path, exported: Path, query: str, *, modality: str, find: str) -> list[str]:
    """By the extractor and the graph of a folder of ``masln export``, without the run."""
    features = load_extractor(exported / "extractors" / modality).extract([query])
    codes = OnnxEncoder(exported / f"{modality}.onnx").encode(*features)
    opened = Gallery(gallery)
    (rows,), _ = opened.search(find, codes, 10)
    places = [opened.side(find).place(int(row)) for row in rows]
    return [segment.items.take([own])[0].id for segment, own in places]


def assert_same_ids(masln: Callable[..., Any], gallery: Path, queries: dict[str, list[str]], **exports: Path) -> None:
    """Every way finds the same items of both modalities.

    Args:
        masln: The fixture of that name.
        gallery: Where.
        queries: Texts and paths of pictures, by modality.
        exports: The run as ``onnx`` and as ``safetensors``.
    """
    for modality, asked in queries.items():
        for query in asked:
            for find in ("image", "text"):
                to = {"modality": modality, "find": find}
                expected = ids_of_python(gallery, query, **to)
                assert len(expected) == len(set(expected)) == 10
                assert ids_of_command_line(masln, gallery, query, **to) == expected
                assert ids_of_onnx(gallery, exports["onnx"], query, **to) == expected
                assert ids_of_python(gallery, query, run=exports["safetensors"], **to) == expected
    assert not np.array_equal(expected, ids_of_python(gallery, queries["text"][0], modality="text", find=find))
