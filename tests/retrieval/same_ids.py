"""One query put to a gallery in several ways, each giving the ids found, the best first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from masln.experiments import open_encoder
from masln.features import load_extractor
from masln.models import OnnxEncoder
from masln.retrieval import Encoder, Gallery, search


def ids_of_command_line(masln: Callable[..., Any], gallery: Path, query: str, *, modality: str, find: str) -> list[str]:
    """``masln`` is the fixture of that name."""
    asked = [query] if modality == "text" else ["--image", query]
    done = masln("search", str(gallery), *asked, "--find", find, "--json")
    assert done.code == 0, done.err
    return [hit["id"] for hit in json.loads(done.out)["hits"]]


def ids_of_python(gallery: Path, encoder: Encoder, query: str, *, modality: str, find: str) -> list[str]:
    """``encoder`` is of the gallery's run, or of what ``masln export`` made of it."""
    (answer,) = search(Gallery(gallery), encoder, [query], modality=modality, find=find)
    return [hit.item.id for hit in answer.hits]


def ids_of_onnx(gallery: Path, exported: Path, query: str, *, modality: str, find: str) -> list[str]:
    """By the extractor and the graph of a folder of ``masln export``, without the run."""
    features = load_extractor(exported / "extractors" / modality).extract([query])
    codes = OnnxEncoder(exported / f"{modality}.onnx").encode(*features)
    opened = Gallery(gallery)
    (rows,), _ = opened.search(find, codes, 10)
    places = [opened.side(find).place(int(row)) for row in rows]
    return [segment.items.take([own])[0].id for segment, own in places]


def assert_same_ids(
    masln: Callable[..., Any], gallery: Path, *, text: str, picture: Path, onnx: Path, safetensors: Path
) -> None:
    """Every way finds the same items, by a text and by a picture, in both modalities.

    Args:
        masln: The fixture of that name.
        gallery: Where.
        text: A query.
        picture: Another.
        onnx: The gallery's run, exported.
        safetensors: Exported again.
    """
    encoder, again = open_encoder(Gallery(gallery).model.run), open_encoder(safetensors)
    found = []
    for modality, query in (("text", text), ("image", str(picture))):
        for find in ("image", "text"):
            to = {"modality": modality, "find": find}
            expected = ids_of_python(gallery, encoder, query, **to)
            assert len(expected) == len(set(expected)) == 10
            assert ids_of_command_line(masln, gallery, query, **to) == expected
            assert ids_of_onnx(gallery, onnx, query, **to) == expected
            assert ids_of_python(gallery, again, query, **to) == expected
            found.append(tuple(expected))
    assert len(set(found)) > 1, "each asks for something else"
