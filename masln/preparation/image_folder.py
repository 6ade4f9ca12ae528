"""Pictures under a folder, found by what a table calls them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

from masln.errors import DataError
from masln.features import list_images

__all__ = ["ImageFolder"]


class ImageFolder:
    """The pictures under a folder and the folders in it.

    Args:
        folder: The top.

    Raises:
        DataError: no such folder, or it holds no image.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for file in list_images(self.folder):
            path = PurePosixPath(file.relative_to(self.folder).as_posix())
            # With the folders or without, with the suffix or without; a set, as at the top some of these are one.
            for name in {str(path.with_suffix("")), path.name, path.stem}:
                self._by_name[name].append(str(path))

    def find(self, name: str) -> str:
        """The path below the folder, with slashes, of the picture that a table calls ``name``.

        Args:
            name: A path below the folder; where only one picture can be meant, the suffix or the folders may be left
                out.

        Raises:
            DataError: there is none, several could be meant, or the path leads out of the folder.
        """
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute():
            top = PurePosixPath(self.folder.absolute().as_posix())
            if not path.is_relative_to(top):
                raise DataError(f"the image {name!r} lies outside {self.folder}; give paths below it")
            path = path.relative_to(top)
        if ".." in path.parts:
            raise DataError(f"the image {name!r} leads out of {self.folder}; give paths below it")
        try:
            if (self.folder / path).is_file():
                return str(path)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"the image {name[:60]!r} is no file name ({reason}); mend it") from error
        found = self._by_name.get(str(path), [])
        if len(found) > 1:
            listed = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
            raise DataError(f"the image {name!r} could be {listed}; give the path with its suffix")
        if not found:
            raise DataError(f"no image {name!r} under {self.folder}")
        return found[0]
