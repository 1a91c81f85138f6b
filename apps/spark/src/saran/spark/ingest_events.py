"""The stream `events`: Kafka to bronze.events, silver.events and silver.rejected, each record once.

Order makes it safe to stop anywhere. A micro-batch's files are staged in one pass; then bronze, rejected (after its
dead letters are sent) and silver are committed, silver last. Each commit carries the offsets it reaches up to, so
whatever runs next skips what a table has: bronze and silver by their offsets, rejected by content. Every start begins
where silver ends, with a fresh checkpoint: Spark's own is never needed to know what was done.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyspark.sql import DataFrame

from saran.core.names import Table
from saran.core.settings import Settings
from saran.spark import lake_schemas
from saran.spark.event_records import bronze_rows, parse_events
from saran.spark.hashes import concat
from saran.spark.id_index import IdIndex
from saran.spark.kafka_topics import TopicState
from saran.spark.outcomes import BatchOutcome, Listener, TableCount
from saran.spark.owned_table import OwnedTable, Progress
from saran.spark.rejected_sink import RejectedSink, keep_rows
from saran.spark.staging import BRONZE, REJECTED, SILVER, Layer, Plan, Staged, stage

_DICTIONARY: Final = ["action", "source", "batch", "context.key_value.key", "context.key_value.value"]
_RANGED: Final = ("event_time",)
BRONZE_DICTIONARY: Final = ["topic"]
BRONZE_RANGED: Final = ("offset", "timestamp")


class EventIngest:
    """Takes micro-batches of one topic of events; the only writer of its tables."""

    def __init__(
        self, settings: Settings, topic: TopicState, rejected: RejectedSink, query: str, tell: Listener
    ) -> None:
        self.bronze = OwnedTable(
            Path(settings.table_path(Table.BRONZE_EVENTS)), Table.BRONZE_EVENTS, lake_schemas.BRONZE
        )
        self.silver = OwnedTable(
            Path(settings.table_path(Table.SILVER_EVENTS)), Table.SILVER_EVENTS, lake_schemas.SILVER_EVENTS
        )
        self.index = IdIndex(settings.home / "ingest" / "event-ids", self.silver, "event_id")
        self.rejected = rejected
        self._topic = topic
        self._query = query
        self._tell = tell

    def next_offsets(self) -> dict[int, int]:
        """Where silver ends, by partition."""
        return reached(self.silver, self._topic)

    def __call__(self, frame: DataFrame, batch_id: int) -> None:
        """Take one micro-batch of Kafka records. May be called again with the same or overlapping records."""
        started = time.monotonic()
        staged = stage(frame, self._plan())
        if not staged.next_offsets:
            return
        progress = Progress(self._topic.name, self._topic.topic_id, staged.next_offsets)
        note = {"query": self._query, "batch": batch_id, "offsets": {str(p): o for p, o in staged.next_offsets.items()}}
        commit_bronze(self.bronze, staged, progress, note)
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
        return (
            TableCount(Table.BRONZE_EVENTS, self.bronze.rows, self.bronze.version),
            TableCount(Table.SILVER_EVENTS, self.silver.rows, self.silver.version, self.silver.newest("event_time")),
            TableCount(Table.SILVER_REJECTED, self.rejected.table.rows, self.rejected.table.version),
        )

    def maintain(self) -> None:
        """Compact what has many small files; between micro-batches only."""
        self.bronze.compact()
        self.silver.compact()
        self.rejected.maintain()

    def close(self) -> None:
        """Write what the index has in memory."""
        self.index.flush()

    def _plan(self) -> Plan:
        return Plan(
            layers={
                BRONZE: Layer(self.bronze.path, lake_schemas.BRONZE, BRONZE_DICTIONARY, BRONZE_RANGED),
                SILVER: Layer(self.silver.path, lake_schemas.SILVER_EVENTS, _DICTIONARY, _RANGED, "event_id"),
                REJECTED: self.rejected.layer(),
            },
            bronze_next=reached(self.bronze, self._topic),
            silver_next=self.next_offsets(),
            bronze=bronze_rows,
            parse=parse_events,
        )

    def _commit_silver(self, staged: Staged, progress: Progress, note: dict[str, object]) -> int:
        """Commit the events that silver has not; how many. Commits the offsets even when that is none."""
        parts = staged.files.get(SILVER, [])
        hashes = concat(part.hashes for part in parts)
        new = self.index.is_new(hashes)
        files = keep_rows(parts, pa.array(new), _DICTIONARY, _RANGED)
        self.silver.append(files, progress, {**note, "new": int(new.sum())})
        self.index.add(hashes.take(new), self.silver.version)
        return int(new.sum())


def reached(table: OwnedTable, topic: TopicState) -> dict[int, int]:
    """Next offset of each partition that a table has rows of."""
    offsets = {p: table.next_offset(topic.name, topic.topic_id, p) for p in topic.earliest}
    return {partition: offset for partition, offset in offsets.items() if offset is not None}


def commit_bronze(table: OwnedTable, staged: Staged, progress: Progress, note: dict[str, object]) -> None:
    """Commit the records that bronze has not."""
    files = [part.file for part in staged.files.get(BRONZE, [])]
    if files:
        table.append(files, progress, note)
