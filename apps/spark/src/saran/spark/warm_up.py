"""`python -m saran.spark.warm_up FILE`: a driver that does a little of all that drivers do as they start.

As it ends, Java writes into FILE the archive of the classes that were loaded (see saran.core.class_data). Ends with 0
only when Java has ended well.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from saran.core.errors import SaranError
from saran.core.settings import Settings, load_settings
from saran.spark.kafka_stream import read_topic
from saran.spark.session import build_session
from saran.spark.training_data import by_user

_END_SECONDS: Final = 120
_STREAM_SECONDS: Final = 60
_ROWS: Final = 100
_NOWHERE: Final = "127.0.0.1:9"
"""Where no broker answers: a query that waits there for a second has loaded what it would read with."""


def warm_up(settings: Settings, archive: Path) -> None:
    """Run Spark once, with files in `settings.home` only. Raises SaranError when its Java does not end well."""
    spark = build_session(settings, "saran warm-up", delta=False, brief=True, class_data=archive)
    context = spark.sparkContext
    context.setLogLevel("OFF")
    java: subprocess.Popen[bytes] = context._gateway.proc  # type: ignore[union-attr]
    try:
        _read_as_training_does(spark, settings.home)
        _stream(spark, settings.home)
        _look_for_kafka(spark, settings)
        context.parallelize(range(4), 4).map(abs).sum()
    finally:
        spark.stop()
        if java.stdin is not None:
            java.stdin.close()  # its sign to end
        code = java.wait(timeout=_END_SECONDS)
    if code:
        raise SaranError(f"Java ended with {code}", fix="see what it says above")


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
    batches: list[int] = []

    def take(frame: DataFrame, number: int) -> None:
        _through_python(frame)
        batches.append(number)
        query.stop()

    writer = records.writeStream.option("checkpointLocation", (folder / "rate").as_uri()).foreachBatch(take)
    query = writer.trigger(processingTime="10 milliseconds").start()
    query.awaitTermination(_STREAM_SECONDS)


def _look_for_kafka(spark: SparkSession, settings: Settings) -> None:
    nowhere = settings.model_copy(update={"kafka_bootstrap": _NOWHERE})
    nowhere.__dict__.pop("bootstrap", None)
    del spark, nowhere


def _through_python(frame: DataFrame) -> None:
    def same(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from batches

    frame.mapInArrow(same, frame.schema).toArrow()


if __name__ == "__main__":
    warm_up(load_settings(), Path(sys.argv[1]))
