"""A small sound collection in every form that `benchmarks/damaged_inputs.py` damages, and what a broken file does."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.damage import ARTICLES, PICTURES, PLAIN_TEXTS, TABLES, encode
from benchmarks.validity import is_valid
from masln.data import read_bundle
from masln.errors import MaslnError
from masln.features import Extractor, FeatureBatch, extractor_resolver, read_texts
from masln.features.images import read_image
from masln.features.text_extractor import TextExtractor
from masln.preparation import Preparation, prepare, work_folder

__all__ = ["FORMS", "Case", "Collection", "drawn_picture", "sound_photos"]

FORMS = {"jpeg": ".jpg", "progressive jpeg": ".jpg", "png": ".png", "webp": ".webp", "lossless webp": ".webp"}
CLASSES, PER_CLASS = 3, 5


class Case(NamedTuple):
    """One damaged input: what is broken, of which form, how, and the number that seeds the draw."""

    family: str
    form: str
    damage: str
    number: int


def digest(content: bytes) -> np.ndarray[Any, Any]:
    """32 numbers that another content does not have."""
    return np.frombuffer(hashlib.sha256(content).digest(), dtype=np.uint8).astype(np.float32)


class PixelDigest(Extractor):
    """Reads as every image extractor does; a hash of the pixels instead of a network."""

    name = "pixel-digest"
    modality: ClassVar[str] = "image"
    dim: ClassVar[int] = 32

    def _read(self, item: Any) -> Any:
        image = read_image(item)
        return digest(f"{image.size}".encode() + image.tobytes())

    def _extract(self, items: Sequence[Any]) -> FeatureBatch:
        return FeatureBatch(np.stack(items))


class TextDigest(TextExtractor):
    """A hash of the letters."""

    name = "text-digest"
    dim: ClassVar[int] = 32

    def _extract(self, items: Sequence[str]) -> FeatureBatch:
        return FeatureBatch(np.stack([digest(item.encode()) for item in items]))


class Collection:
    """A sound collection in a folder: pictures, its table in every form, articles, plain texts, and what they give."""

    def __init__(self, folder: Path, data_root: Path | None) -> None:
        for extractor in (PixelDigest, TextDigest):
            extractor_resolver.register(extractor)
        self.folder = folder
        rows = real_rows(data_root) if data_root else drawn_rows()
        self.pictures: dict[str, tuple[str, Path, bytes]] = {}  # form, file and content by name
        for number, (picture, row) in enumerate(rows):
            form = list(FORMS)[number % len(FORMS)]
            content = picture if form == "jpeg" else encode(Image.open(io.BytesIO(picture)).convert("RGB"), form)
            self.pictures[row["image"]] = form, folder / "photos" / f"{row['image']}{FORMS[form]}", content
        self.files = {f"{kind}/{row['image']}.{kind}": article(row, kind) for _, row in rows for kind in ("xml", "txt")}
        self.files |= {f"table.{form}": table([row for _, row in rows], form) for form in TABLES}
        for name, content in self.files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        (folder / "photos").mkdir()
        for _, file, content in self.pictures.values():
            file.write_bytes(content)
        names = [file.relative_to(folder) for _, file, _ in self.pictures.values()]
        names += [Path(f"table.{form}") for form in TABLES]
        sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name.as_posix()}\n" for name in names]
        (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
        self.pairs = {form: self.prepared(form, "fail", checksums=True)[0] for form in TABLES}
        self.texts = {kind: dict(self.read(kind, "fail")[0]) for kind in ("xml", "txt")}

    def prepared(self, form: str, on_error: str, *, checksums: bool) -> tuple[dict[str, Any], int]:
        """The rows of the bundle by id, and how many rows of the table were skipped."""
        out = self.folder / "bundle"
        for leftover in (out, work_folder(out)):
            shutil.rmtree(leftover, ignore_errors=True)
        settings = Preparation(
            images=self.folder / "photos",
            table=self.folder / f"table.{form}",
            image_extractor="pixel-digest",
            text_extractor="text-digest",
            captions="concat",
            class_vectors="none",
            on_error=on_error,
            checksums=self.folder / "SHA256SUMS" if checksums else None,
        )
        done = prepare(settings, out, workers=1)
        bundle = read_bundle(out)
        recorded = bundle.manifest["recipe"]["skipped"]
        assert list(done.skipped) == recorded, "what is skipped must be recorded"
        labels = [bundle.class_names[label] for label in bundle.labels]
        columns = zip(bundle.image.tolist(), bundle.text.tolist(), labels, bundle.split, bundle.texts, strict=True)
        return dict(zip(bundle.ids.tolist(), columns, strict=True)), len(recorded)

    def read(self, kind: str, on_error: str) -> tuple[dict[str, Any], int]:
        """The texts of articles or plain texts by id, and how many were skipped."""
        read = read_texts(self.folder / kind, on_error=on_error)
        columns = [tuple(values[row] for values in read.columns.values()) for row in range(len(read))]
        return dict(zip(read.ids, zip(read.captions, columns, strict=True), strict=True)), len(read.skipped)

    def broken(self, case: Case, seed: int) -> tuple[Path, bytes, Path, bytes]:
        """A file and its content, and those it has when damaged."""
        rng = np.random.default_rng([seed, case.number])
        if case.family == "picture":
            some = [(file, content) for form, file, content in self.pictures.values() if form == case.form]
            file, content = some[int(rng.integers(len(some)))]
            damage = PICTURES[case.damage]
        else:
            names = [name for name in self.files if name.endswith(f".{case.form}")]
            name = names[int(rng.integers(len(names)))]
            file, content = self.folder / name, self.files[name]
            damage = {"article": ARTICLES, "plain text": PLAIN_TEXTS}.get(case.family, TABLES.get(case.form))[
                case.damage
            ]
        wrong = {".jpg": ".png", ".png": ".jpg", ".webp": ".jpg"}
        if case.damage == "wrong suffix":
            return file, content, file.with_suffix(wrong[file.suffix]), content
        damaged = damage(content, rng)
        while damaged == content:  # zeros where there were some
            damaged = damage(content, rng)
        return file, content, file, damaged

    def outcomes(self, case: Case, seed: int) -> dict[str, tuple[str, str]]:
        """The outcome of each way of running, and the message."""
        file, content, named, damaged = self.broken(case, seed)
        file.unlink()
        named.write_bytes(damaged)
        try:
            ways = ("without checksums", "with checksums") if case.family in ("picture", "table") else ("texts",)
            return {
                f"{way}, {on_error}": self.outcome(case, named, on_error, checksums=way == "with checksums")
                for way in ways
                for on_error in ("fail", "skip")
            }
        finally:
            named.unlink()
            file.write_bytes(content)

    def outcome(self, case: Case, file: Path, on_error: str, *, checksums: bool) -> tuple[str, str]:
        """Run once, and compare every row with that of the sound collection."""
        try:
            if case.family in ("picture", "table"):
                form = case.form if case.family == "table" else "csv"
                expected = self.pairs[form]
                rows, skipped = self.prepared(form, on_error, checksums=checksums)
            else:
                expected = self.texts[case.form]
                rows, skipped = self.read(case.form, on_error)
        except MaslnError as error:
            message = str(error).replace(str(self.folder), "...")
            return "error" if file.stem in message and "\n" not in message else "unclear", message
        except Exception as error:
            return "traceback", f"{type(error).__name__}: {error}"[:300]
        same = all(rows[name] == expected.get(name) for name in rows)
        if same and len(expected) - len(rows) == skipped:
            return ("skip" if skipped else "harmless"), ""
        return ("undetectable" if is_valid(file) else "silent"), f"{len(rows)} rows, {skipped} skipped"


def sound_photos(data_root: Path | None) -> list[bytes]:
    """JPEG files: every tenth photo of RSICD, or drawn ones."""
    if data_root is None:
        return [content for content, _ in drawn_rows()]
    return [file.read_bytes() for file in sorted((data_root / "rsicd" / "photos").iterdir())[::10]]


def real_rows(data_root: Path) -> list[tuple[bytes, dict[str, str]]]:
    """Photos of RSICD as they are, with their captions."""
    with (data_root / "rsicd" / "photos.csv").open(encoding="utf-8", newline="") as stream:
        listed = list(csv.DictReader(stream))
    rows = []
    for name in sorted({row["class"] for row in listed})[:CLASSES]:
        for number, row in enumerate([row for row in listed if row["class"] == name][:PER_CLASS]):
            content = (data_root / "rsicd" / "photos" / row["image"]).read_bytes()
            row |= {"image": Path(row["image"]).stem, "split": "test" if number < 2 else "train"}
            rows.append((content, {key: row[key] for key in ("image", "class", "split", "caption_1", "caption_2")}))
    return rows


def drawn_picture(colour: int, number: int) -> bytes:
    """A JPEG of noise on slopes."""
    rng = np.random.default_rng([colour, number])
    y, x = np.mgrid[0:176, 0:176]
    values = np.stack([y, x, y + x], axis=2) / 2 + rng.normal(0, 20, (176, 176, 3))
    values[..., colour % 3] += 60
    return encode(Image.fromarray(values.clip(0, 255).astype(np.uint8)), "jpeg")


def drawn_rows() -> list[tuple[bytes, dict[str, str]]]:
    """Drawn pictures with sentences."""
    rows = []
    for colour, name in enumerate(("Airport", "Beach", "Forest")[:CLASSES]):
        for number in range(PER_CLASS):
            row = {"image": f"{name.lower()}_{number}", "class": name, "split": "test" if number < 2 else "train"}
            row |= {"caption_1": f"there are {number} things in the {name} .", "caption_2": f"it is {number} of many ."}
            rows.append((drawn_picture(colour, number), row))
    return rows


def table(rows: Sequence[Mapping[str, str]], form: str) -> bytes:
    """The table of the pairs in one of its forms."""
    records = [
        {key: row[key] for key in ("image", "class", "split")} | {"captions": [row["caption_1"], row["caption_2"]]}
        for row in rows
    ]
    if form == "json":
        return (json.dumps(records) + "\n").encode()
    if form == "jsonl":
        return "".join(json.dumps(record) + "\n" for record in records).encode()
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), delimiter="\t" if form == "tsv" else ",", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def article(row: Mapping[str, str], kind: str) -> bytes:
    """An article in the layout of the Wikipedia set, or a plain text."""
    if kind == "txt":
        return f"{row['caption_1']}\n{row['caption_2']}\n".encode()
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<document name="{row["class"]}">\n<text>\n{row["caption_1"]}\n'
        f'{row["caption_2"]}\n</text>\n<image id="{row["image"]}"/>\n</document>\n'
    ).encode()
