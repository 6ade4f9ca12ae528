"""The raw pictures of a bundle, where they are at hand."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from masln.data import PairedDataset
from masln.errors import ConfigError, DataError, MissingExtraError
from masln.preparation import ImageFolder

__all__ = ["Pictures", "find_pictures"]


@dataclass(frozen=True)
class Pictures:
    """Where a bundle's pictures are, or why they are not at hand.

    Attributes:
        folder: They lie under it; None where there is none.
        why_not: What a person reads then, empty otherwise.
        asked: Whether a person named the folder.
    """

    folder: ImageFolder | None
    why_not: str = ""
    asked: bool = False

    def path(self, name: str) -> Path:
        """The file of a picture, by its path in the bundle.

        Raises:
            DataError: it is not under the folder.
        """
        assert self.folder is not None
        return self.folder.folder / self.folder.find(name)


def find_pictures(dataset: PairedDataset, images: str | Path | None = None) -> Pictures:
    """Find the folder of a bundle's pictures: the one that is named, or that its manifest names and that is there.

    Args:
        dataset: A bundle.
        images: The folder that the bundle's image paths are below.

    Raises:
        ConfigError: a folder is named, and the bundle names no pictures.
        DataError: no such folder, or it holds no image.
        MissingExtraError: a folder is named, and Pillow is not installed.
    """
    if dataset.image_paths is None:
        if images is not None:
            raise ConfigError(f"{dataset.name} names no pictures, only their features; leave --images out")
        return Pictures(None, "the bundle names no pictures")
    if find_spec("PIL") is None:
        missing = MissingExtraError("pillow", "features", "reading pictures")
        if images is not None:
            raise missing
        return Pictures(None, str(missing))
    if images is not None:
        return Pictures(ImageFolder(images), asked=True)
    recipe = dataset.manifest.get("recipe")
    recorded = recipe.get("images") if isinstance(recipe, dict) else None
    if not isinstance(recorded, str):
        return Pictures(None, "give --images DIR")
    if not Path(recorded).is_dir():
        return Pictures(None, f"no folder {recorded} here; give --images DIR")
    try:
        return Pictures(ImageFolder(recorded))
    except DataError as error:
        return Pictures(None, f"{error}, or give --images DIR")
