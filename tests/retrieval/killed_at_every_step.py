"""A program: `Gallery.add` is killed before every step it takes on the disk, and given again; run by test_gallery.py.

    python -m tests.retrieval.killed_at_every_step FOLDER

After each kill the gallery must answer as before the call or, once its manifest has its new name, as after it.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from masln.retrieval import Gallery, build_gallery, make_backend, read_codes
from tests.preparation.killed_at_every_step import in_child
from tests.retrieval.synthetic import draw_codes, write_drawn

BACKENDS = {"bf16": ("exact", {"precision": "bf16"})}
if find_spec("faiss") is not None:
    BACKENDS["hnsw"] = ("faiss", {"index": "hnsw"})


def answers(folder: Path) -> list[list[str]]:
    """What a gallery finds, read anew."""
    gallery = Gallery(folder)
    asked = np.concatenate([draw_codes(4), draw_codes(4, seed=4)])
    found = []
    for modality in ("image", "text"):
        rows = gallery.search(modality, asked, 5)[0]
        found += [[item.id for item in gallery.side(modality).items(own.tolist())] for own in rows]
    return found


def names(gallery: Path) -> set[str]:
    """What belongs to a gallery, by its manifest."""
    sides = json.loads((gallery / "gallery.json").read_text(encoding="utf-8"))["sides"].values()
    files = {name for side in sides for name in (side["removed"], side["index"]) if name is not None}
    return files | {own["folder"] for side in sides for own in side["segments"]} | {"gallery.json", "lock.journal"}


def main(folder: Path) -> None:
    write_drawn(folder / "codes", 50)
    write_drawn(folder / "more", 30, seed=4, prefix="new")
    for name, (kind, options) in BACKENDS.items():
        gallery, spare, after = (folder / f"{name}-{what}" for what in ("gallery", "spare", "after"))
        built = build_gallery(read_codes(folder / "codes"), gallery, backend=make_backend(kind, **options))
        built.remove(ids=["item7"])
        shutil.copytree(gallery, spare)
        shutil.copytree(gallery, after)

        def add(where: Path) -> None:
            Gallery(where).add(read_codes(folder / "more"))

        status, steps = in_child(lambda: add(after))  # noqa: B023
        assert status == 0 and steps > 10, (status, steps)
        expected = {"before": answers(gallery), "after": answers(after)}
        assert expected["before"] != expected["after"]
        told = []
        for number in range(1, steps + 1):
            status, _ = in_child(lambda: add(gallery), kill_at=number)  # noqa: B023
            assert status == signal.SIGKILL, (number, status)
            found = answers(gallery)
            assert found in expected.values(), f"{name}: step {number} leaves another gallery"
            told.append("before" if found == expected["before"] else "after")
            if told[-1] == "after":
                shutil.rmtree(gallery)
                shutil.copytree(spare, gallery)
        assert told == sorted(told, reverse=True), told
        add(gallery)
        assert answers(gallery) == expected["after"]
        named = names(gallery)
        Gallery(gallery).remove(ids=["new0"])
        left = {path.name for path in gallery.iterdir()}
        assert names(gallery) <= left <= named | names(gallery), left ^ named
        print(f"{name}: {steps} kills, {told.count('before')} as before, {told.count('after')} as after")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
