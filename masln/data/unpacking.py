"""Unpacks downloaded archives: whole or not at all, and never outside their folder."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from masln.errors import DataError
from masln.progress import progress_bar

__all__ = ["is_archive", "unpack_archive"]

_TARS = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
_CHUNK = 1 << 20


def is_archive(path: str | Path) -> bool:
    """Whether the name is that of an archive that can be unpacked: zip, or tar with gzip, bzip2, xz or nothing."""
    return Path(path).name.lower().endswith((".zip", *_TARS))


def unpack_archive(
    archive: str | Path, folder: str | Path, *, inside: str = "", progress: bool = False
) -> tuple[str, ...]:
    """Unpack an archive into a folder; what stands there under the same names is replaced.

    All of it is unpacked beside the target first, and only moved there when the archive proved sound to its last byte.
    A member that would land outside (by ``..``, an absolute path or a link) is refused, and so is a device.

    Args:
        archive: zip, or tar with gzip, bzip2, xz or nothing.
        folder: The target; it must exist.
        inside: The folder in it that takes the members, where they do not all lie in a folder of that name already.
        progress: Show a bar, where standard error is a terminal.

    Returns:
        What the archive brought, as names in ``folder``.

    Raises:
        DataError: the archive is damaged, truncated, empty, encrypted, or would write outside; or the disk refuses.
            ``folder`` is as it was, but for files already moved when the disk refused a later one.
    """
    path, target = Path(archive), Path(folder)
    try:
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=target))
    except OSError as error:
        raise DataError(f"cannot unpack into {target}: {error.strerror or error}") from error
    try:
        members = _unzip(path, work) if path.name.lower().endswith(".zip") else _untar(path, work)
        with progress_bar(f"unpacking {path.name}", None, show=progress) as advance:
            for _ in members:
                advance()
        shutil.rmtree(work / "__MACOSX", ignore_errors=True)  # what macOS adds to a zip: no data
        brought = sorted(entry.name for entry in work.iterdir())
        if not brought:
            raise DataError(f"{path}: the archive is empty; fetch it again")
        if inside and brought != [inside]:
            target, brought = target / inside, [inside]
        _move(work, target)
        return tuple(brought)
    except DataError:
        raise
    except tarfile.FilterError as error:
        raise _refused(path, str(error)) from error
    except Exception as error:  # zlib, lzma, tarfile, zipfile, struct and codecs each raise their own kinds
        if isinstance(error, OSError) and error.errno is not None:  # the system's word, not a decoder's
            raise DataError(f"cannot unpack {path}: {error.strerror}; mend that and fetch again") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: damaged or truncated archive ({reason}); delete it and fetch it again") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _refused(path: Path, reason: str) -> DataError:
    return DataError(f"{path}: refused, as it would write outside its folder ({reason}); nothing was unpacked")


def _keep_inside(path: Path, name: str) -> None:
    """Refuse what zipfile would quietly rename, and what only other systems read as a way out."""
    plain = name.replace("\\", "/")
    if plain.startswith("/") or re.match(r"[A-Za-z]:", plain) or ".." in plain.split("/"):
        raise _refused(path, f"member {name!r}")


def _unzip(path: Path, work: Path) -> Iterator[None]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for member in members:
            _keep_inside(path, member.filename)
        for member in members:
            archive.extract(member, work)  # compares its CRC
            yield


class _StrictMember(tarfile.TarInfo):
    """tarfile takes a damaged or cut head between two members for the end of the archive, without a word."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":  # the block of zeros at the end; the class is not documented
                raise
            raise tarfile.ReadError(str(error)) from error


def _untar(path: Path, work: Path) -> Iterator[None]:
    def inside(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
        _keep_inside(path, member.name)
        return tarfile.data_filter(member, folder)

    with tarfile.open(path, tarinfo=_StrictMember) as archive:
        for member in archive:
            archive.extract(member, work, filter=inside)
            yield
        stream = archive.fileobj
        while stream is not None and stream.read(_CHUNK):
            pass  # to the end, where gzip compares its CRC


def _move(source: Path, target: Path) -> None:
    """Move all that is in a folder into another, replacing files, joining folders."""
    target.mkdir(exist_ok=True)
    for entry in sorted(source.iterdir()):
        goal = target / entry.name
        real_folder = entry.is_dir() and not entry.is_symlink()
        if real_folder and goal.is_dir():
            _move(entry, goal)
        elif goal.is_dir() or (real_folder and goal.exists()):
            raise DataError(f"{goal} is there and is {'a folder' if goal.is_dir() else 'a file'}; move it away")
        else:
            os.replace(entry, goal)
