"""The stream `catalog`: Kafka to bronze.catalog and silver.items, where the newest record of an item counts.

A tombstone (a record without a value) makes the item unavailable and keeps its row: events of the past still name it,
and pages need its title. A tombstone of an unknown item changes nothing. The order of commits and what a second run
skips are those of the stream `events`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame

from saran.core.names import Table
from saran.core.settings import Settings
from saran.spark import lake_schemas
from saran.spark.event_records import bronze_rows
from saran.spark.ingest_events import BRONZE_DICTIONARY, BRONZE_RANGED, commit_bronze, reached
from saran.spark.item_records import STAGED_ITEMS, latest, parse_items
from saran.spark.kafka_topics import TopicState
from saran.spark.outcomes import BatchOutcome, Listener, TableCount
from saran.spark.owned_table import OwnedTable, Progress
from saran.spark.rejected_sink import RejectedSink
from saran.spark.staging import BRONZE, REJECTED, SILVER, Layer, Plan, Staged, stage

_DICTIONARY: Final = ["categories.list.element", "age_rating", "release_date"]
_OF_TOMBSTONE: Final = ("is_available", "ingested_at", "kafka_partition", "kafka_offset")


class CatalogIngest:
    """Takes micro-batches of the catalogue; the only writer of its tables."""

    def __init__(
        self, settings: Settings, topic: TopicState, rejected: RejectedSink, query: str, tell: Listener
    ) -> None:
        self.bronze = OwnedTable(
            Path(settings.table_path(Table.BRONZE_CATALOG)), Table.BRONZE_CATALOG, lake_schemas.BRONZE
        )
        self.silver = OwnedTable(
            Path(settings.table_path(Table.SILVER_ITEMS)), Table.SILVER_ITEMS, lake_schemas.SILVER_ITEMS
        )
        self.rejected = rejected
        self._topic = topic
        self._query = query
        self._tell = tell
        # Parsed items wait for the driver here; readers and vacuum of Delta ignore names that begin with `_`.
        self._scratch = self.silver.path / "_staged"
        self._scratch.mkdir(exist_ok=True)
        self._clean()

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
        note: dict[str, object] = {"query": self._query, "batch": batch_id}
        commit_bronze(self.bronze, staged, progress, note)
        rejected = self.rejected.add(staged.files.get(REJECTED, []), progress, note)
        taken = staged.rows(SILVER)
        self._commit_silver(staged, progress, note)
        self._clean()
        self._tell(
            BatchOutcome(
                query=self._query,
                batch_id=batch_id,
                topic=self._topic.name,
                seconds=time.monotonic() - started,
                input_rows=staged.records,
                new_rows=taken,
                duplicate_rows=staged.records - taken - rejected,
                rejected_rows=rejected,
                next_offsets=staged.next_offsets,
                tables=self.counts(),
            )
        )

    def counts(self) -> tuple[TableCount, ...]:
        """Rows of the tables as they are now."""
        return (
            TableCount(Table.BRONZE_CATALOG, self.bronze.rows, self.bronze.version),
            TableCount(Table.SILVER_ITEMS, self.silver.rows, self.silver.version),
            TableCount(Table.SILVER_REJECTED, self.rejected.table.rows, self.rejected.table.version),
        )

    def maintain(self) -> None:
        """Compact what has many small files; between micro-batches only."""
        self.bronze.compact()
        self.silver.compact()

    def close(self) -> None:
        """Nothing waits to be written."""

    def _plan(self) -> Plan:
        return Plan(
            layers={
                BRONZE: Layer(self.bronze.path, lake_schemas.BRONZE, BRONZE_DICTIONARY, BRONZE_RANGED),
                SILVER: Layer(self._scratch, STAGED_ITEMS, _DICTIONARY, ()),
                REJECTED: self.rejected.layer(),
            },
            bronze_next=reached(self.bronze, self._topic),
            silver_next=self.next_offsets(),
            bronze=bronze_rows,
            parse=parse_items,
        )

    def _commit_silver(self, staged: Staged, progress: Progress, note: dict[str, object]) -> None:
        paths = [part.file.path for part in staged.files.get(SILVER, [])]
        if not paths:
            self.silver.append([], progress, note)
            return
        items = latest(pa.concat_tables([pq.read_table(path, schema=STAGED_ITEMS) for path in paths]))
        gone = items.column("is_tombstone")
        rows = items.filter(pc.invert(gone)).select(lake_schemas.SILVER_ITEMS.names)
        changed = pa.concat_tables([rows, self._unavailable(items.filter(gone))])
        if changed.num_rows:
            self.silver.upsert(changed.cast(lake_schemas.SILVER_ITEMS), "item_id", progress, note)
        else:
            self.silver.append([], progress, note)

    def _unavailable(self, tombstones: pa.Table) -> pa.Table:
        """The known rows of the tombstones' items, no longer available."""
        if not tombstones.num_rows:
            return lake_schemas.SILVER_ITEMS.empty_table()
        names = lake_schemas.SILVER_ITEMS.names
        ids = tombstones.column("item_id").combine_chunks()
        known = self.silver.read(names)
        known = known.filter(pc.is_in(known.column("item_id"), value_set=ids))
        news = tombstones.take(pc.index_in(known.column("item_id"), value_set=ids))
        columns = {name: (news if name in _OF_TOMBSTONE else known).column(name) for name in names}
        return pa.table(columns).cast(lake_schemas.SILVER_ITEMS)

    def _clean(self) -> None:
        for path in self._scratch.iterdir():
            path.unlink()
