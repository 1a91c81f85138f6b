"""A Delta table and its only writer.

Data files are written elsewhere (by tasks, in columns); here they become part of the table in one commit, together
with the Kafka offsets they reach up to. The offsets are the table's own transaction identifiers (Delta's `txn`
actions), one a partition, so they are never ahead of or behind the rows, outlive checkpoints of the log and
compaction, and need no checkpoint of Spark. Delta refuses a commit whose transaction identifier another commit moved
meanwhile: a writer that was given up for dead cannot add the same offsets again.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import AddAction, RemoveAction

from saran.core.errors import SaranError
from saran.core.s3 import Location, delta_options, open_input
from saran.core.settings import Settings
from saran.spark.delta_log import VersionsGoneError, changes
from saran.spark.upkeep import DELETED, WRITER, Upkeep, upkeep

_SMALL_BYTES: Final = 16 << 20
_COMPACT_FILES: Final = 120
"""Small files at which a table is compacted, between two batches."""

_READ_ROWS: Final = 1 << 20
_PROPERTIES: Final = {"delta.checkpointInterval": "50", "delta.enableDeletionVectors": "false"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataFile:
    """A Parquet file in a table's folder that no commit names yet."""

    path: Location
    rows: int
    size: int
    stats: str
    """Delta's statistics of the file, as JSON."""


@dataclass(frozen=True)
class Progress:
    """How far a topic was read: the next offset of each partition. `topic_id` changes when a topic is made anew."""

    topic: str
    topic_id: str
    next_offsets: Mapping[int, int]


class OwnedTable:
    """The table `name` at `path`, made when it is missing. Not safe for concurrent use.

    Raises SaranError when the table has other columns than `schema`.
    """

    def __init__(self, path: Location, name: str, schema: pa.Schema) -> None:
        self.path = path
        self.name = name
        self.schema = schema
        self._delta = DeltaTable.create(
            str(path),
            schema,
            mode="ignore",
            name=name,
            configuration=_PROPERTIES,
            storage_options=delta_options(path),
        )
        self._delta.update_incremental()
        found = pa.schema(self._delta.schema().to_arrow())
        if found.names != schema.names:
            raise SaranError(
                f"{name} at {path} has the columns {', '.join(found.names)}, not {', '.join(schema.names)}",
                fix="it was made by another release: move the folder away and read the topics again",
            )
        self.rows = int(self._delta.count())
        self._small_files = sum(size < _SMALL_BYTES for size in self._column("size_bytes"))

    @property
    def table_id(self) -> str:
        """Delta's id of the table."""
        return str(self._delta.metadata().id)

    @property
    def version(self) -> int:
        """Newest version that this writer knows."""
        return int(self._delta.version())

    def next_offset(self, topic: str, topic_id: str, partition: int) -> int | None:
        """The offset that the table's rows of a partition reach up to, or None before the first."""
        return self._delta.transaction_version(_application(topic, topic_id, partition))

    def newest(self, column: str) -> Any:
        """Largest value of a timestamp column by the files' statistics, or None for an empty table."""
        return max((value for value in self._column(f"max.{column}") if value is not None), default=None)

    def append(self, files: Sequence[DataFile], progress: Progress, note: Mapping[str, object]) -> None:
        """Commit `files` and `progress` in one version whose user metadata is `note`.

        Raises deltalake's CommitFailedError when another writer moved the same offsets.
        """
        now = int(time.time() * 1000)
        actions: list[AddAction | RemoveAction] = [
            AddAction(file.path.name, file.size, {}, now, True, file.stats) for file in files
        ]
        self._delta.create_write_transaction(
            actions, "append", self._delta.schema(), commit_properties=self._commit(progress, note)
        )
        self._delta.update_incremental()
        self.rows += sum(file.rows for file in files)
        self._small_files += sum(file.size < _SMALL_BYTES for file in files)

    def upsert(self, rows: pa.Table, key: str, progress: Progress, note: Mapping[str, object]) -> None:
        """Replace the rows that have the keys of `rows` (each once) and add the others, in one commit."""
        merger = self._delta.merge(
            rows,
            f"old.{key} = new.{key}",
            source_alias="new",
            target_alias="old",
            writer_properties=WRITER,
            commit_properties=self._commit(progress, note),
        )
        result = merger.when_matched_update_all().when_not_matched_insert_all().execute()
        self._delta.update_incremental()
        self.rows += int(result["num_target_rows_inserted"])
        self._small_files = sum(size < _SMALL_BYTES for size in self._column("size_bytes"))

    def delete(self, predicate: str, note: Mapping[str, object]) -> int:
        """Remove the rows for which SQL's `predicate` holds, in one commit; how many. Old files stay for `upkeep`."""
        result = self._delta.delete(
            predicate,
            writer_properties=WRITER,
            commit_properties=CommitProperties(
                custom_metadata={"userMetadata": json.dumps(note)},
                app_transactions=[Transaction(DELETED, self.version + 1)],
            ),
        )
        self._delta.update_incremental()
        deleted = int(result["num_deleted_rows"])
        self.rows -= deleted
        self._small_files = sum(size < _SMALL_BYTES for size in self._column("size_bytes"))
        return deleted

    def upkeep(self, order: Upkeep) -> None:
        """Compact, remove old files, and note that it was done. Rows and offsets stay what they are."""
        upkeep(self.path, self.name, order)
        self._delta.update_incremental()
        self._small_files = sum(size < _SMALL_BYTES for size in self._column("size_bytes"))

    def distinct(self, column: str) -> list[Any]:
        """Each value of a column once; holds no more than the values in memory."""
        found = pa.nulls(0, self.schema.field(column).type)
        for batch in self._delta.to_pyarrow_dataset().to_batches(columns=[column]):
            values = batch.column(0).cast(found.type)
            found = pc.unique(pa.concat_arrays([found, pc.unique(values)]))
        return [value for value in found.to_pylist() if value is not None]

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Some columns of the whole table."""
        return self._delta.to_pyarrow_dataset().to_table(columns=list(columns))

    def values_since(self, version: int | None, column: str) -> Iterator[pa.Array]:
        """Values of `column` added after `version` (of the whole table when None), about a million at a time.

        Raises VersionsGoneError when the log or a file of that time is no longer there.
        """
        for path in self._files_since(version):
            try:
                with open_input(path) as file:
                    for batch in pq.ParquetFile(file, pre_buffer=True).iter_batches(_READ_ROWS, columns=[column]):
                        yield batch.column(0)
            except FileNotFoundError as error:
                raise VersionsGoneError(f"{path} was removed") from error

    def compact(self) -> None:
        """Rewrite small files as large ones when there are many. Rows and offsets stay what they are."""
        if self._small_files < _COMPACT_FILES:
            return
        started = time.monotonic()
        metrics = self._delta.optimize.compact(writer_properties=WRITER)
        self._delta.update_incremental()
        self._small_files = sum(size < _SMALL_BYTES for size in self._column("size_bytes"))
        _log.info(
            "%s: compacted %s files into %s in %.1f s",
            self.name,
            metrics["numFilesRemoved"],
            metrics["numFilesAdded"],
            time.monotonic() - started,
        )

    def _files_since(self, version: int | None) -> Iterator[Location]:
        if version is None:
            yield from (self.path / name for name in self._column("path"))
            return
        yield from (one.path for one in changes(self.path, version, self.version) if one.kind == "add")

    def _column(self, name: str) -> list[Any]:
        actions = pa.table(self._delta.get_add_actions(flatten=True))
        return list(actions.column(name).to_pylist()) if name in actions.column_names else []

    def _commit(self, progress: Progress, note: Mapping[str, object]) -> CommitProperties:
        """`note`, and the offsets: a batch that ends before a table's end, as after a crash, does not take it back."""
        transactions = []
        for partition, offset in sorted(progress.next_offsets.items()):
            known = self.next_offset(progress.topic, progress.topic_id, partition) or 0
            application = _application(progress.topic, progress.topic_id, partition)
            transactions.append(Transaction(application, max(offset, known)))
        return CommitProperties(custom_metadata={"userMetadata": json.dumps(note)}, app_transactions=transactions)


def open_owned(settings: Settings, table: str, schema: pa.Schema) -> OwnedTable:
    """The table `table` (a name of saran.core.names.Table), made when it is missing; raises as OwnedTable."""
    return OwnedTable(settings.table_folder(table), table, schema)


def _application(topic: str, topic_id: str, partition: int) -> str:
    return f"kafka/{topic}/{topic_id}/{partition}"
