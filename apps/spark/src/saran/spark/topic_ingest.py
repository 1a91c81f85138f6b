"""What the streams of all topics share: one micro-batch from Kafka into bronze, silver and rejected, each record once.

Order makes it safe to stop anywhere. A micro-batch's files are staged in one pass; then bronze, rejected (after its
dead letters are sent) and silver are committed, silver last. Each commit carries the offsets it reaches up to, so
whatever runs next skips what a table has: bronze and silver by their offsets, rejected by content. Every start begins
where silver ends, with a fresh checkpoint: Spark's own is never needed to know what was done.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final

import pyarrow as pa
from pyspark.sql import DataFrame

from saran.core.erasures import Tombstones
from saran.core.settings import Settings
from saran.spark import lake_schemas
from saran.spark.event_records import bronze_rows
from saran.spark.kafka_topics import TopicState
from saran.spark.outcomes import BatchOutcome, Listener, TableCount
from saran.spark.owned_table import OwnedTable, Progress, open_owned
from saran.spark.rejected_sink import RejectedSink
from saran.spark.staging import BRONZE, REJECTED, SILVER, Layer, Parse, Plan, Staged, stage
from saran.spark.upkeep import Upkeep

_DICTIONARY: Final = ["topic"]
_RANGED: Final = ("offset", "timestamp")


@dataclass(frozen=True)
class Tables:
    """What belongs to one topic; `bronze` and `silver` are names of saran.core.names.Table."""

    bronze: str
    silver: str
    silver_schema: pa.Schema
    parse: Parse


class TopicIngest(ABC):
    """Takes micro-batches of one topic; the only writer of its bronze and silver tables.

    A subclass says what silver is: how records become its rows, and how rows enter it.
    """

    TABLES: ClassVar[Tables]

    def __init__(
        self, settings: Settings, topic: TopicState, rejected: RejectedSink, query: str, tell: Listener
    ) -> None:
        self.bronze = open_owned(settings, self.TABLES.bronze, lake_schemas.BRONZE)
        self.silver = open_owned(settings, self.TABLES.silver, self.TABLES.silver_schema)
        self.rejected = rejected
        self.tombstones = Tombstones()
        self._topic = topic
        self._query = query
        self._tell = tell
        self._open(settings)

    @abstractmethod
    def _open(self, settings: Settings) -> None:
        """Make ready what silver needs besides its table, which is open."""

    @abstractmethod
    def _silver_layer(self) -> Layer:
        """How tasks write the rows that wait for `_commit_silver`."""

    @abstractmethod
    def _commit_silver(self, staged: Staged, progress: Progress, note: dict[str, object]) -> int:
        """Commit what silver takes of the staged rows; how many. Commits the offsets even when that is none."""

    def _duplicates(self, rejected: int) -> int | None:
        """Records in bronze that changed nothing, where that can be told; `rejected` are the topic's wrong ones."""
        del rejected
        return None

    def close(self) -> None:
        """Write what is in memory only."""
        return

    def next_offsets(self) -> dict[int, int]:
        """Where silver ends, by partition."""
        return self._reached(self.silver)

    def __call__(self, frame: DataFrame, batch_id: int) -> None:
        """Take one micro-batch of Kafka records. May be called again with the same or overlapping records."""
        started = time.monotonic()
        staged = stage(frame, self._plan())
        if not staged.next_offsets:
            return
        progress = Progress(self._topic.name, self._topic.topic_id, staged.next_offsets)
        offsets = {str(partition): offset for partition, offset in staged.next_offsets.items()}
        note: dict[str, object] = {"query": self._query, "batch": batch_id, "offsets": offsets}
        reached = self._reached(self.bronze)
        # Of erased users no record is written, and yet it was read.
        if any(offset > reached.get(partition, 0) for partition, offset in staged.next_offsets.items()):
            self.bronze.append([part.file for part in staged.files.get(BRONZE, [])], progress, note)
        rejected = self.rejected.add(staged.files.get(REJECTED, []), progress, note)
        new = self._commit_silver(staged, progress, {**note, "records": staged.records, "rejected": rejected})
        self._tell(
            BatchOutcome(
                query=self._query,
                batch_id=batch_id,
                topic=self._topic.name,
                seconds=time.monotonic() - started,
                input_rows=staged.records,
                new_rows=new,
                duplicate_rows=staged.records - new - rejected,
                rejected_rows=rejected,
                next_offsets=staged.next_offsets,
                tables=self.counts(),
            )
        )

    def counts(self) -> tuple[TableCount, ...]:
        """Rows of the tables as they are now."""
        wrong = self.rejected.rows_of(self._topic.name)
        # A driver that died between two commits leaves bronze ahead of silver: until the next batch nobody knows
        # what became of those records.
        reached = self._reached(self.bronze)
        level = reached == self._reached(self.silver)
        silver = TableCount(
            self.silver.name,
            self.silver.rows,
            self.silver.version,
            as_of=self.silver.newest("event_time"),
            rejected_rows=wrong,
            duplicate_rows=self._duplicates(wrong) if level else None,
        )
        return (
            TableCount(
                self.bronze.name,
                self.bronze.rows,
                self.bronze.version,
                # Records that expired before they were read are behind it too.
                read_offsets=sum(max(reached.get(p, 0), first) for p, first in self._topic.earliest.items()),
            ),
            silver,
            TableCount(self.rejected.table.name, self.rejected.table.rows, self.rejected.table.version),
        )

    def maintain(self) -> None:
        """Compact what has many small files; between micro-batches only."""
        self.bronze.compact()
        self.silver.compact()
        self.rejected.maintain()

    def upkeep(self, order: Upkeep) -> None:
        """Look after the topic's own tables; between micro-batches only."""
        self.bronze.upkeep(order)
        self.silver.upkeep(order)

    def _plan(self) -> Plan:
        return Plan(
            layers={
                BRONZE: Layer(self.bronze.path, lake_schemas.BRONZE, _DICTIONARY, _RANGED),
                SILVER: self._silver_layer(),
                REJECTED: self.rejected.layer(),
            },
            bronze_next=self._reached(self.bronze),
            silver_next=self.next_offsets(),
            bronze=bronze_rows,
            parse=self.TABLES.parse,
            tombstones=self.tombstones,
        )

    def _reached(self, table: OwnedTable) -> dict[int, int]:
        """Next offset of each partition that a table has rows of."""
        topic = self._topic
        offsets = {p: table.next_offset(topic.name, topic.topic_id, p) for p in topic.earliest}
        return {partition: offset for partition, offset in offsets.items() if offset is not None}
