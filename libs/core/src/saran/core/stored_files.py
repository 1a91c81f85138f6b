"""Files below a folder or prefix, and copies of them as streams with a checksum, in a few megabytes of memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from saran.core.s3 import Location, S3Path, open_input, open_output

_PIECE_BYTES: Final = 8 << 20


@dataclass(frozen=True)
class StoredFile:
    """A file: `name` is its path below the folder that was listed, with `/` between parts."""

    name: str
    place: Location
    size: int
    modified: int
    """Nanoseconds since 1970."""


def files_below(folder: Location) -> Iterator[StoredFile]:
    """Every file below `folder`, at any depth, by name; none when there is no such folder."""
    found = _in_store(folder) if isinstance(folder, S3Path) else _on_disk(folder)
    yield from sorted(found, key=lambda file: file.name)


def below(folder: Location, name: str) -> Location:
    """The place of the file `name`, which has `/` between its parts."""
    for part in name.split("/"):
        folder = folder / part
    return folder


def copy_file(source: Location, target: Location) -> tuple[int, str]:
    """Copy bytes; their number and SHA-256. On disk `target` is there only when it is whole. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target if isinstance(target, S3Path) else target.with_name(f".{target.name}.partial")
    digest = hashlib.sha256()
    size = 0
    with open_input(source) as read, open_output(partial) as written:
        while piece := read.read_buffer(_PIECE_BYTES):
            digest.update(piece)
            written.write(piece)
            size += len(piece)
    if isinstance(partial, Path):
        partial.replace(str(target))
    return size, digest.hexdigest()


def checksum(place: Location) -> tuple[int, str]:
    """Size and SHA-256 of a file. Raises OSError."""
    digest = hashlib.sha256()
    size = 0
    with open_input(place) as file:
        while piece := file.read_buffer(_PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


def _on_disk(folder: Path) -> Iterator[StoredFile]:
    for path, _, names in os.walk(folder):
        for name in names:
            file = Path(path) / name
            try:
                facts = file.stat()
            except FileNotFoundError:
                continue  # removed since it was listed
            yield StoredFile(file.relative_to(folder).as_posix(), file, facts.st_size, facts.st_mtime_ns)


def _in_store(folder: S3Path) -> Iterator[StoredFile]:
    from pyarrow import fs  # noqa: PLC0415 - as in saran.core.s3

    for info in folder.listing():
        if info.type == fs.FileType.File:
            name = str(info.path).removeprefix(f"{folder.key}/")
            yield StoredFile(name, S3Path(folder.s3, str(info.path)), int(info.size), int(info.mtime_ns or 0))
