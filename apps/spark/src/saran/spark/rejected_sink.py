"""silver.rejected: what could not be read, each record once, and its way to the dead letters."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from saran.core.names import Table
from saran.core.s3 import Location, open_input
from saran.core.settings import Settings
from saran.spark import lake_schemas
from saran.spark.data_files import without
from saran.spark.hashes import concat
from saran.spark.id_index import open_index
from saran.spark.owned_table import DataFile, OwnedTable, Progress, open_owned
from saran.spark.staging import Layer, StagedFile
from saran.spark.upkeep import Upkeep

_DICTIONARY: Final = ["topic", "reason"]
_RANGED: Final = ("timestamp",)
_ID: Final = "content_id"
_SEND_ROWS: Final = 10_000


class RejectedSink:
    """The table and its index of contents; the streams of all topics share one, from several threads."""

    def __init__(self, settings: Settings, send: Callable[[Iterable[dict[str, Any]]], None]) -> None:
        self.table = open_owned(settings, Table.SILVER_REJECTED, lake_schemas.REJECTED)
        self.index = open_index(settings, "rejected-ids", self.table, _ID)
        self._send = send
        self._lock = threading.Lock()
        self._by_topic = _count_topics(self.table)

    def layer(self) -> Layer:
        """How tasks write files for this table."""
        return Layer(self.table.path, lake_schemas.REJECTED, _DICTIONARY, _RANGED, _ID)

    def add(self, staged: Sequence[StagedFile], progress: Progress, note: Mapping[str, object]) -> int:
        """Send and commit the rows that are new; how many. A record that was rejected before changes nothing."""
        if not staged:
            return 0
        with self._lock:
            hashes = concat(part.hashes for part in staged)
            new = self.index.is_new(hashes)
            if not new.any():
                return 0
            files = keep_rows(staged, pa.array(new), _DICTIONARY, _RANGED)
            for file in files:
                self._send(row for rows in _rows(file.path) for row in rows)
            self.table.append(files, progress, note)
            self.index.add(hashes.take(new), self.table.version)
            self._by_topic[progress.topic] += int(new.sum())
            return int(new.sum())

    def rows_of(self, topic: str) -> int:
        """Rows of the table that came from `topic`."""
        with self._lock:
            return self._by_topic[topic]

    def erase(self, predicate: str, note: Mapping[str, object]) -> None:
        """Remove rows, as OwnedTable.delete does."""
        with self._lock:
            if self.table.delete(predicate, note):
                self._by_topic = _count_topics(self.table)

    def upkeep(self, order: Upkeep) -> None:
        """As OwnedTable.upkeep does."""
        with self._lock:
            self.table.upkeep(order)

    def maintain(self) -> None:
        """Compact when there are many small files."""
        with self._lock:
            self.table.compact()

    def close(self) -> None:
        """Write what the index has in memory."""
        with self._lock:
            self.index.flush()


def keep_rows(
    staged: Sequence[StagedFile], keep: pa.Array, dictionary: list[str], ranged: tuple[str, ...]
) -> list[DataFile]:
    """The files with only the rows where `keep`, as long as all files together, is true.

    A file that loses no row is taken as it is; others are written anew, and the old ones left to vacuum.
    """
    files = []
    start = 0
    for part in staged:
        mask = keep.slice(start, part.file.rows)
        start += part.file.rows
        kept = part.file if mask.true_count == part.file.rows else None
        if kept is None and mask.true_count:
            kept = without(part.file, mask, dictionary, ranged)
        if kept is not None:
            files.append(kept)
    return files


def _count_topics(table: OwnedTable) -> Counter[str]:
    return Counter(table.read(["topic"]).column("topic").to_pylist())


def _rows(path: Location) -> Iterable[list[dict[str, Any]]]:
    with open_input(path) as file:
        for batch in pq.ParquetFile(file).iter_batches(_SEND_ROWS):
            yield batch.to_pylist()
