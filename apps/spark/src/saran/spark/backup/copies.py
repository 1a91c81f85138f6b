"""Writes the files of one backup; what an earlier one holds already is named, not copied."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from saran.core.s3 import Location
from saran.core.stored_files import below, copy_file
from saran.spark.backup.contents import Source
from saran.spark.backup.manifest import Entry

_AT_ONCE: Final = 4

Tell = Callable[[int], None]
"""Called with the bytes of each file that is done."""


@dataclass(frozen=True)
class Writer:
    """Of the backup `name` at `location`; `base` are the files of an earlier one by path."""

    location: Location
    name: str
    base: dict[str, Entry]

    def add(self, sources: Iterable[Source], tell: Tell) -> list[Entry]:
        """Take in files, a few at once. Raises OSError when one cannot be copied."""
        entries = []
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            for entry in pool.map(self._entry, sources):
                if entry is not None:
                    tell(entry.size)
                    entries.append(entry)
        return entries

    def _entry(self, source: Source) -> Entry | None:
        known = self.base.get(source.path)
        if known is not None and (known.size, known.modified) == (source.size, source.modified):
            return known
        target = below(self.location / self.name, source.path)
        if source.content is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.content)
            size, digest = len(source.content), hashlib.sha256(source.content).hexdigest()
        else:
            try:
                size, digest = copy_file(source.place, target)
            except FileNotFoundError:
                if source.may_vanish:
                    return None
                raise
        return Entry(path=source.path, size=size, sha256=digest, modified=source.modified, backup=self.name)
