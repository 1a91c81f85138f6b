"""Tables of `ingest` in a temporary home, fed with records made by hand instead of Kafka's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession

from saran.core.names import Table, Topic
from saran.core.settings import Settings
from saran.spark.ingest_catalog import CatalogIngest
from saran.spark.ingest_events import EventIngest
from saran.spark.kafka_topics import TopicState
from saran.spark.outcomes import BatchOutcome
from saran.spark.owned_table import OwnedTable
from saran.spark.rejected_sink import RejectedSink

EVENTS = TopicState(Topic.EVENTS, "first", {0: 0, 1: 0})
CATALOG = TopicState(Topic.CATALOG, "first", {0: 0})


class Bench:
    """Opens the tables as a new process would, and keeps what was told and sent."""

    def __init__(self, spark: SparkSession, home: Path) -> None:
        self.spark = spark
        self.settings = Settings(home=home)
        self.outcomes: list[BatchOutcome] = []
        self.letters: list[dict[str, Any]] = []

    def send(self, rows: Iterable[dict[str, Any]]) -> None:
        self.letters += rows

    def _deliver(self, rows: Iterable[dict[str, Any]]) -> None:
        self.send(rows)  # looked up at each call, so that a test can break it

    def events(self, topic: TopicState = EVENTS) -> EventIngest:
        return EventIngest(
            self.settings,
            topic,
            RejectedSink(self.settings, self._deliver),
            "events/1",
            self.outcomes.append,
        )

    def catalog(self) -> CatalogIngest:
        sink = RejectedSink(self.settings, self._deliver)
        return CatalogIngest(self.settings, CATALOG, sink, "catalog/1", self.outcomes.append)

    def frame(self, records: pa.Table) -> DataFrame:
        return self.spark.createDataFrame(records)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Rows of a table as any reader of Delta sees them."""
        found = DeltaTable(self.settings.table_path(table)).to_pyarrow_table()
        return [dict(row) for row in found.to_pylist()]

    def ids(self) -> list[str]:
        """Event ids in silver, sorted."""
        return sorted(row["event_id"] for row in self.rows(Table.SILVER_EVENTS))

    def offsets(self, table: str) -> list[tuple[str, int, int]]:
        """Places of a table's rows in Kafka, sorted."""
        return sorted((row["topic"], row["partition"], row["offset"]) for row in self.rows(table))


def counts(*tables: OwnedTable) -> list[int]:
    """Rows that the owners believe their tables have."""
    return [table.rows for table in tables]
