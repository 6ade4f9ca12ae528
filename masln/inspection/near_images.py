"""Near-duplicate pictures: the same picture scaled, compressed or lightly edited, by perceptual hash and colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from masln.errors import DataError
from masln.features import HASH_BITS, image_fingerprint
from masln.features.pipeline import in_order, worker_count
from masln.inspection.kinds import NearPairs
from masln.inspection.pictures import Pictures
from masln.progress import progress_bar

__all__ = [
    "COLOUR_DISTANCE",
    "HASH_RADIUS",
    "Fingerprints",
    "near_fingerprints",
    "read_fingerprints",
    "unpack_fingerprints",
]

# Bits of 256; the radius that PDQ, another hash of this length and kind, is used with. Looked at as pictures: of 1,395
# RSICD photos no pair comes nearer than 86, and none up to 92 is a copy; of 1,429 emoji drawings pairs up to 30 are
# twins, and from 32 on some only share a design. Copies of 300 photos lie within it: halved 100%, JPEG quality 20 97%,
# noise of 10 grey levels 100%, turned by a degree 91%, cropped by 2% 37%, by 5% none.  # ours
HASH_RADIUS = 31
# Mean difference of the thumbnails, of 255. The hash sees no colour: hearts, books and circles of two colours are 0 to
# 30 bits apart and 14 and more in colour; the copies above at most 11, but a photo darkened by a fifth 20.  # ours
COLOUR_DISTANCE = 12
_ROWS, _COLUMNS = 16, 4096  # of hashes compared at once: half a MiB, which stays in the cache; ours, of seven tried
_CHECKED = 2048  # thumbnails compared at once; with 16,384, outside the cache, a pair takes 2.4 times as long; ours


class Fingerprints(NamedTuple):
    """Of n pictures: (n, 4) words of their hashes, (n, 192) bytes of their thumbnails."""

    hashes: NDArray[np.uint64]
    colours: NDArray[np.uint8]


def read_fingerprints(
    pictures: Pictures, names: Sequence[str], *, progress: bool = False
) -> tuple[list[bytes | None], dict[str, str]]:
    """Read pictures and take their fingerprints.

    Args:
        pictures: Where they are.
        names: Of n pictures, as the bundle has them.
        progress: Show a bar, where standard error is a terminal.

    Returns:
        The fingerprint of each as bytes, None for one that cannot be read; and why, by its name.
    """

    def one(name: str) -> bytes | DataError:
        try:
            hashed, colour = image_fingerprint(pictures.path(name))
        except DataError as error:
            return error
        return hashed.tobytes() + colour.tobytes()

    found: list[bytes | None] = []
    unread: dict[str, str] = {}
    with progress_bar("pictures", len(names), show=progress) as advance:
        workers = worker_count(None, concurrent=True)
        for name, result in zip(names, in_order(one, names, workers=workers), strict=True):
            if isinstance(result, DataError):
                unread[name] = str(result)
            found.append(None if isinstance(result, DataError) else result)
            advance(1, f"{len(unread)} not read" if unread else "")
    return found, unread


def unpack_fingerprints(kinds: Sequence[bytes]) -> Fingerprints:
    """The arrays of distinct fingerprints."""
    values = np.frombuffer(b"".join(kinds), dtype=np.uint8).reshape(len(kinds), -1)
    hashes, colours = values[:, : HASH_BITS // 8], values[:, HASH_BITS // 8 :]
    return Fingerprints(np.ascontiguousarray(hashes).view(np.uint64), colours)


def near_fingerprints(of: Fingerprints, *, progress: bool = False) -> Iterator[NearPairs]:
    """Every two pictures whose hashes and colours are near each other.

    Each pair is compared, in some 2 to 4 ns (20,000 pictures in a second), in memory that does not grow with their
    number.

    Args:
        of: n pictures.
        progress: Show a bar, where standard error is a terminal.

    Yields:
        Pairs, and the bits that differ.
    """
    count = len(of.hashes)
    columns = np.ascontiguousarray(of.hashes.T)
    with progress_bar("comparing pictures", count, show=progress) as advance:
        for start in range(0, count, _ROWS):
            rows = of.hashes[start : start + _ROWS]
            for left in range(start, count, _COLUMNS):
                others = columns[:, None, left : left + _COLUMNS]
                # Half of the bits rules nearly all pairs out, in half the time.
                half = np.bitwise_count(rows[:, 0, None] ^ others[0])
                half += np.bitwise_count(rows[:, 1, None] ^ others[1])
                first, second = np.divmod(np.flatnonzero(half <= HASH_RADIUS), half.shape[1])
                first, second = first + start, second + left
                later = second > first
                yield from _checked(of, first[later], second[later])
            advance(len(rows))


def _checked(of: Fingerprints, first: NDArray[np.intp], second: NDArray[np.intp]) -> Iterator[NearPairs]:
    for at in range(0, len(first), _CHECKED):
        a, b = first[at : at + _CHECKED], second[at : at + _CHECKED]
        bits = np.bitwise_count(of.hashes[a] ^ of.hashes[b]).sum(axis=1, dtype=np.int64)
        near = bits <= HASH_RADIUS
        a, b, bits = a[near], b[near], bits[near]
        colour = np.abs(of.colours[a].astype(np.int16) - of.colours[b]).mean(axis=1)
        near = colour <= COLOUR_DISTANCE
        yield NearPairs(a[near], b[near], bits[near].astype(np.float64))
