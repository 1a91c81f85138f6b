"""A Structured Streaming query over one topic, which hands micro-batches of records to an `ingest`."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from saran.core.kafka_clients import spark_options
from saran.core.names import Group
from saran.core.settings import Settings
from saran.spark.upkeep import Upkeep

_TRIGGER: Final = "250 milliseconds"
"""Pause between two looks at Kafka: a look without new records costs a few milliseconds."""

_COLUMNS: Final = ("key", "value", "topic", "partition", "offset", "timestamp")
_HEADERS: Final = "array<struct<key:string,value:binary>>"
_log = logging.getLogger(__name__)


class Ingest(Protocol):
    """Owner of one topic's tables."""

    def __call__(self, frame: DataFrame, batch_id: int) -> None:
        """Take one micro-batch."""

    def maintain(self) -> None:
        """House-keeping between micro-batches."""

    def upkeep(self, order: Upkeep) -> None:
        """Compaction, retention and vacuum."""

    def close(self) -> None:
        """Write what is in memory only."""


class KafkaStream:
    """One running query. Micro-batches and `stop` take turns, so that a stop waits for the commit under way."""

    def __init__(self, ingest: Ingest, name: str) -> None:
        self.name = name
        self._ingest = ingest
        self._turn = threading.Lock()
        self._stopping = False
        self._query: StreamingQuery | None = None

    def start(
        self, spark: SparkSession, settings: Settings, topic: str, first: Mapping[int, int], *, once: bool = False
    ) -> StreamingQuery:
        """Read `topic` from the offsets `first` on; with `once` only up to where it ends now."""
        writer = (
            read_topic(spark, settings, topic, first)
            .writeStream.queryName(self.name)
            .option("checkpointLocation", _checkpoint(settings, topic, self.name))
            .foreachBatch(self._take)
        )
        trigger: dict[str, Any] = {"availableNow": True} if once else {"processingTime": _TRIGGER}
        self._query = writer.trigger(**trigger).start()
        return self._query

    def between_batches(self, work: Callable[[], None]) -> None:
        """Do `work` while no micro-batch is under way; not when the stream is ending."""
        with self._turn:
            if not self._stopping:
                work()

    def upkeep(self, order: Upkeep) -> None:
        """Look after the tables while no micro-batch is under way."""
        self.between_batches(lambda: self._ingest.upkeep(order))

    def failure(self) -> str | None:
        """Why the query is no longer running, or None while it is."""
        if self._query is None or self._query.isActive:
            return None
        error = self._query.exception()
        return "it was stopped" if error is None else str(error)

    def stop(self, timeout_seconds: float) -> None:
        """Let the micro-batch under way finish, at most `timeout_seconds`, then end; what is cut off is read again."""
        self._stopping = True
        if self._turn.acquire(timeout=timeout_seconds):
            self._turn.release()
        else:
            _log.warning("%s: a micro-batch was abandoned and will be read again", self.name)
        if self._query is not None:
            self._query.stop()
        self._ingest.close()

    def _take(self, frame: DataFrame, batch_id: int) -> None:
        with self._turn:
            # Spark may take this batch for done: the next start begins where the tables end, not where Spark does.
            if not self._stopping:
                self._ingest(frame, batch_id)
                self._ingest.maintain()


def read_topic(spark: SparkSession, settings: Settings, topic: str, first: Mapping[int, int]) -> DataFrame:
    """A streaming frame of Kafka's columns with headers, from the offsets `first` on."""
    records = (
        spark.readStream.format("kafka")
        .options(**spark_options(settings))
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: {str(p): offset for p, offset in sorted(first.items())}}))
        .option("maxOffsetsPerTrigger", settings.spark.max_offsets_per_batch)
        .option("includeHeaders", "true")
        # Spark reads in groups of its own, which a broker that checks rights must know by their prefix.
        .option("groupIdPrefix", f"{Group.INGEST}-source")
        .option("kafka.max.poll.records", 5000)
        .option("kafka.max.partition.fetch.bytes", 8 << 20)
        .load()
    )
    # Arrow's writer fills a column of null lists in time quadratic in the batch: no headers are an empty list.
    headers = F.coalesce(F.col("headers"), F.array().cast(_HEADERS)).alias("headers")
    return records.select(*(F.col(name) for name in _COLUMNS), headers)


def _checkpoint(settings: Settings, topic: str, name: str) -> str:
    """URI of a fresh folder for Spark's notes; those of earlier starts are removed."""
    # On the driver's own disk, in a cluster too: only the driver writes it, and nothing is read back from it.
    folder = settings.home / "run" / "checkpoints" / topic
    shutil.rmtree(folder, ignore_errors=True)
    path = folder / name.replace("/", "-")
    path.mkdir(parents=True)
    return path.as_uri()
