"""Which ids a table has ever held: deduplication for ever, at a cost that does not grow with the table.

The index is a cache of one column of an append-only Delta table at one version. New ids are kept in memory and go to
disk two million at a time, as sorted segments which are merged when a newer one has grown to half their size, so there
are about log2(n / 2M) of them. A manifest names the segments and the table version they cover; what the table got
since is read back from the table at start, and the whole column where the manifest is missing, damaged or of another
table. So the index need not be written with each batch, and no crash can make it wrong.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from saran.core.names import Bucket
from saran.core.s3 import Location, S3Path
from saran.core.settings import Settings
from saran.spark import id_segments, index_copy
from saran.spark.delta_log import VersionsGoneError
from saran.spark.hashes import Hashes, hash_texts

_FORMAT: Final = 1
_FLUSH_ROWS: Final = 1 << 21
_MANIFEST: Final = "manifest.json"
_log = logging.getLogger(__name__)


class IdSource(Protocol):
    """The table whose ids are indexed."""

    @property
    def table_id(self) -> str:
        """Changes when the table is made anew."""

    @property
    def version(self) -> int:
        """Newest committed version."""

    def values_since(self, version: int | None, column: str) -> Iterator[pa.Array]:
        """Values of `column` added after `version`, or of the whole table. Raises VersionsGoneError."""


class IdIndex:
    """Ids of `column` of `source`, kept in `folder`. One owner at a time; not safe for concurrent use."""

    def __init__(self, folder: Path, source: IdSource, column: str, copy: Location | None = None) -> None:
        """`copy` is where a copy is kept; an index that is not in `folder` is brought from there."""
        self._folder = folder
        self._copy = copy
        self._source = source
        self._column = column
        self._memory: list[Hashes] = []
        self._disk: list[tuple[Path, Hashes]] = []
        self._version = -1
        folder.mkdir(parents=True, exist_ok=True)
        if copy is not None and not (folder / _MANIFEST).exists():
            index_copy.restore(copy, folder, _MANIFEST)
        self._load()
        self._catch_up()

    def __len__(self) -> int:
        return sum(len(part) for part in self._segments())

    @property
    def version(self) -> int:
        """The table version whose ids are all here."""
        return self._version

    def is_new(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Which of `hashes` are not in the index, each once: the first of equal ones. Shape (n,)."""
        order = hashes.order()
        ordered = hashes.take(order)
        new = np.ones(len(hashes), dtype=np.bool_)
        new[1:] = (ordered.hi[1:] != ordered.hi[:-1]) | (ordered.lo[1:] != ordered.lo[:-1])
        for segment in self._segments():
            new &= ~id_segments.contains(segment, ordered)
        unsorted = np.empty_like(new)
        unsorted[order] = new
        return unsorted

    def add(self, hashes: Hashes, version: int) -> None:
        """Take in the ids that the table got with `version`."""
        self._version = version
        if not len(hashes):
            return
        self._memory.append(hashes.take(hashes.order()))
        while len(self._memory) > 1 and 2 * len(self._memory[-1]) >= len(self._memory[-2]):
            self._memory[-2:] = [id_segments.merge(self._memory[-2:])]
        if sum(len(part) for part in self._memory) >= _FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Put what is in memory on disk, so that the next start need not read it from the table."""
        if not self._memory:
            return
        parts, kept = list(self._memory), list(self._disk)
        rows = sum(len(part) for part in parts)
        while kept and len(kept[-1][1]) <= 2 * rows:
            parts.append(kept.pop()[1])
            rows += len(parts[-1])
        path, rows = id_segments.write_segment(self._folder, parts)
        self._disk = [*kept, (path, id_segments.open_segment(path, rows))]
        self._memory = []
        self._publish()

    def _segments(self) -> list[Hashes]:
        return [part for _, part in self._disk] + self._memory

    def _load(self) -> None:
        """Open what the manifest names; nothing when it is missing, damaged or of another table."""
        try:
            manifest = json.loads((self._folder / _MANIFEST).read_text())
            if manifest["format"] != _FORMAT or manifest["table"] != self._source.table_id:
                _log.warning("the id index in %s is of another table or format: made anew from the table", self._folder)
                return
            paths = [(self._folder / str(entry["file"]), int(entry["rows"])) for entry in manifest["segments"]]
            version = int(manifest["version"])
            # A negative version is an index whose making was interrupted: what it holds is part of the column.
            self._disk = [(path, id_segments.open_segment(path, rows)) for path, rows in paths if version >= 0]
            self._version = version
        except FileNotFoundError as error:
            _log.info("no id index in %s (%s): made from the table", self._folder, error.filename)
        except (ValueError, KeyError, TypeError, OSError) as error:
            _log.warning("the id index in %s is damaged (%s): made anew from the table", self._folder, error)

    def _catch_up(self) -> None:
        version = self._source.version
        if self._version > version:
            _log.warning("the id index in %s is ahead of its table: made anew from the table", self._folder)
            self._forget()
        if self._version == version:
            return
        try:
            since = self._version if self._version >= 0 else None
            self._read(since, version)
        except VersionsGoneError as error:
            _log.info("the id index in %s is too old (%s): made anew from the table", self._folder, error)
            self._forget()
            self._read(None, version)

    def _read(self, since: int | None, version: int) -> None:
        # What a flush publishes on the way claims no more than was covered before: reading twice is harmless.
        before = self._version
        for values in self._source.values_since(since, self._column):
            self.add(hash_texts(values), before)
        self._version = version
        if before < 0 and len(self):
            self.flush()
            # A flush on the way may have left nothing in memory: the version is only true from here on.
            self._publish()

    def _forget(self) -> None:
        self._memory, self._disk, self._version = [], [], -1

    def _publish(self) -> None:
        """Name the segments and the version they cover, in one step; then remove what no manifest names."""
        segments = [{"file": path.name, "rows": len(part)} for path, part in self._disk]
        text = json.dumps(
            {"format": _FORMAT, "table": self._source.table_id, "version": self._version, "segments": segments}
        )
        fresh = self._folder / f"{_MANIFEST}.new"
        with fresh.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._folder / _MANIFEST)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        named = {path.name for path, _ in self._disk}
        for path in self._folder.glob("*.ids"):
            if path.name not in named:
                path.unlink()
        if self._copy is not None:
            index_copy.save(self._folder, self._copy, _MANIFEST, named)


def open_index(settings: Settings, name: str, source: IdSource, column: str) -> IdIndex:
    """The index `name` of the home; on a cluster, whose homes are as new as their pods, with a copy in the store."""
    bucket = settings.locate(settings.bucket(Bucket.CHECKPOINTS))
    copy = bucket / "ingest" / name if isinstance(bucket, S3Path) else None
    return IdIndex(settings.home / "ingest" / name, source, column, copy)
