"""Files of a data set as decompressed bytes: plain or gzip, found by either spelling."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from saran.core.datasets.errors import SpecError

_READ_BYTES = 4 << 20


@dataclass(frozen=True)
class Fingerprint:
    """What a file holds, whether compressed or not."""

    sha256: bytes
    """Of the decompressed bytes; 32 bytes."""
    size: int
    """Decompressed bytes."""


def find(name: str, *folders: Path | None) -> Path | None:
    """The first of `folders` that holds `name`, or it with .gz added or taken away; None where none does."""
    other = name.removesuffix(".gz") if name.endswith(".gz") else f"{name}.gz"
    for folder in folders:
        for spelling in (name, other):
            if folder is not None and (path := folder / spelling).is_file():
                return path
    return None


def chunks(path: Path, size: int = _READ_BYTES) -> Iterator[bytes]:
    """Decompressed bytes of a file in parts of `size`. SpecError where the file is cut short or is no gzip file."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            while part := stream.read(size):
                yield part
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SpecError(f"{path} is no whole gzip file ({error})", fix="copy or download it again") from error


def fingerprint(path: Path) -> Fingerprint:
    """One pass over the file."""
    digest, size = hashlib.sha256(), 0
    for part in chunks(path):
        digest.update(part)
        size += len(part)
    return Fingerprint(digest.digest(), size)
