"""Sorted runs of 128-bit ids, in memory or in memory-mapped files: look-up and merging."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from saran.spark.hashes import Hashes, concat

_MERGE_ROWS: Final = 1 << 21
"""Ids that a merge of files holds in memory at once."""

_WORD: Final = 8


def contains(segment: Hashes, wanted: Hashes) -> NDArray[np.bool_]:
    """Which of `wanted`, sorted by hi, are in `segment`. Shapes (n,).

    O(n log m) for m ids in the segment; since both are sorted, neighbouring searches touch neighbouring pages.
    """
    found = np.zeros(len(wanted), dtype=np.bool_)
    if not len(segment):
        return found
    places = np.searchsorted(segment.hi, wanted.hi)
    rows = np.flatnonzero(places < len(segment))
    places = places[rows]
    while len(rows):
        same = segment.hi[places] == wanted.hi[rows]
        rows, places = rows[same], places[same]
        found[rows] = segment.lo[places] == wanted.lo[rows]
        # One first word with another second word: the wanted pair may be the next.
        rest = ~found[rows]
        rows, places = rows[rest], places[rest] + 1
        inside = places < len(segment)
        rows, places = rows[inside], places[inside]
    return found


def merge(parts: Sequence[Hashes]) -> Hashes:
    """Sorted union of sorted runs, in memory."""
    both = concat(parts)
    return both.take(both.order())


def open_segment(path: Path, rows: int) -> Hashes:
    """A segment file of `rows` ids, memory-mapped. Raises ValueError when its size is not that of `rows` ids."""
    if path.stat().st_size != 2 * rows * _WORD:
        raise ValueError(f"{path} does not hold {rows} ids")
    words = np.memmap(path, dtype="<u8", mode="r", shape=(2, rows))
    return Hashes(words[0], words[1])


def write_segment(folder: Path, parts: Sequence[Hashes]) -> tuple[Path, int]:
    """Merge sorted runs into a new, synced file of `folder`; its path and rows. Memory is bounded whatever the size."""
    rows = sum(len(part) for part in parts)
    path = folder / f"{uuid.uuid4().hex}.ids"
    words = np.memmap(path, dtype="<u8", mode="w+", shape=(2, rows))
    done = 0
    starts = [0] * len(parts)
    for ends in _cuts(parts, rows):
        piece = merge([part.take(slice(a, b)) for part, a, b in zip(parts, starts, ends, strict=True)])
        words[0, done : done + len(piece)] = piece.hi
        words[1, done : done + len(piece)] = piece.lo
        done += len(piece)
        starts = ends
    words.flush()
    del words
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return path, rows


def _cuts(parts: Sequence[Hashes], rows: int) -> list[list[int]]:
    """Ends in each part of ranges of hashes that hold about _MERGE_ROWS ids together; the last ends are the lengths."""
    largest = max(parts, key=len)
    pieces = max(1, -(-rows // _MERGE_ROWS))
    edges = [largest.hi[len(largest) * piece // pieces] for piece in range(1, pieces)]
    return [[int(np.searchsorted(part.hi, edge)) for part in parts] for edge in edges] + [[len(part) for part in parts]]
