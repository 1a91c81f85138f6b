"""`python -m saran.spark.warm_up FILE`: a driver that does a little of all that drivers do as they start.

As it ends, Java writes into FILE the archive of the classes that were loaded (see saran.core.class_data). Ends as Java
did: with 0 only when the archive is whole.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from saran.core.settings import Settings, load_settings
from saran.spark.session import build_session
from saran.spark.training_data import by_user

_END_SECONDS: Final = 480
_STREAM_SECONDS: Final = 60
_ROWS: Final = 100
_NOWHERE: Final = "127.0.0.1:9"
"""Where no broker answers: a query that has given up has loaded what it would have read with."""
_BYTES: Final = "org.apache.kafka.common.serialization.ByteArrayDeserializer"
_CONSUMER: Final = {"bootstrap.servers": _NOWHERE, "key.deserializer": _BYTES, "value.deserializer": _BYTES}


def warm_up(settings: Settings, archive: Path) -> int:
    """Run Spark once, with files in `settings.home` only; Java's exit code."""
    spark = build_session(settings, "saran warm-up", delta=False, brief=True, class_data=archive)
    context = spark.sparkContext
    context.setLogLevel("OFF")
    java: subprocess.Popen[bytes] = context._gateway.proc  # type: ignore[union-attr]
    try:
        _read_as_training_does(spark, settings.home)
        _stream(spark, settings.home)
        _look_for_kafka(spark, settings.home)
        context.parallelize(range(4), 4).map(abs).sum()
    finally:
        spark.stop()
        if java.stdin is not None:
            java.stdin.close()  # its sign to end
        code = java.wait(_END_SECONDS)
    return code


def _read_as_training_does(spark: SparkSession, folder: Path) -> None:
    numbers = [str(number) for number in range(_ROWS)]
    events = pa.table(
        {
            **dict.fromkeys(("event_id", "user_id", "item_id"), pa.array(numbers)),
            **dict.fromkeys(("action", "source"), pa.array(["view"] * _ROWS)),
            "value": pa.array([1.0] * _ROWS),
            "event_time": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * _ROWS, pa.timestamp("us", "UTC")),
        }
    )
    file = folder / "events.parquet"
    pq.write_table(events, file)
    seen = Observation()
    ordered = by_user(spark.read.parquet(file.as_uri())).observe(
        seen, F.max(F.unix_millis("event_time")).alias("newest"), F.max(F.col("source").rlike("x")).alias("matches")
    )
    _through_python(ordered.select("user_id", "item_id", "action", "value"))
    _ = seen.get


def _stream(spark: SparkSession, folder: Path) -> None:
    """One micro-batch of Kafka's columns."""
    records = (
        spark.readStream.format("rate-micro-batch")
        .option("rowsPerBatch", _ROWS)
        .load()
        .select(F.col("value").cast("string").cast("binary").alias("value"), F.lit("t").alias("topic"), "timestamp")
    )
    taken = threading.Event()

    def take(frame: DataFrame, _number: int) -> None:
        _through_python(frame)
        taken.set()

    writer = records.writeStream.option("checkpointLocation", (folder / "rate").as_uri()).foreachBatch(take)
    query = writer.trigger(processingTime="1 second").start()
    taken.wait(_STREAM_SECONDS)
    query.stop()


def _look_for_kafka(spark: SparkSession, folder: Path) -> None:
    """Load what a stream reads Kafka with, without a broker."""
    options = {
        "kafka.bootstrap.servers": _NOWHERE,
        "kafka.default.api.timeout.ms": "500",
        "kafka.request.timeout.ms": "400",
        "fetchOffset.numRetries": "1",
        "subscribe": "t",
        "startingOffsets": "earliest",
        "includeHeaders": "true",
    }
    records = spark.readStream.format("kafka").options(**options).load()
    writer = records.writeStream.option("checkpointLocation", (folder / "kafka").as_uri()).foreachBatch(lambda *_: None)
    with contextlib.suppress(PySparkException):  # as expected: nobody answers
        writer.start().awaitTermination(_STREAM_SECONDS)
    java: Any = spark._jvm
    properties = java.java.util.HashMap()
    for name, value in _CONSUMER.items():
        properties[name] = value
    java.org.apache.kafka.clients.consumer.KafkaConsumer(properties).close()


def _through_python(frame: DataFrame) -> None:
    def same(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from batches

    frame.mapInArrow(same, frame.schema).toArrow()


if __name__ == "__main__":
    sys.exit(warm_up(load_settings(), Path(sys.argv[1])))
