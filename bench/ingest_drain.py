"""Drain half of `make bench-ingest`: `ingest` next to a Spark query that only copies Kafka to Parquet.

Both read the same topic in one Spark session, by turns, with the same limit of records a micro-batch, up to where the
topic ends; the time is from the query's start to its end. One run of each comes first and is not counted: it warms the
JVM. `ingest` is measured with empty tables, and with 20 and 100 million ids in the index of silver.events. These are
hashed as 32-digit ids are, from counters and not from texts, and are in no table: they are put into the index directly,
as a segment that claims to cover the still empty table.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from pyspark.sql import SparkSession

from saran.core.settings import Settings
from saran.spark import id_segments
from saran.spark.hashes import Hashes, hash_words
from saran.spark.ingest_events import EventIngest
from saran.spark.kafka_stream import KafkaStream, read_topic
from saran.spark.kafka_topics import KafkaTopics, TopicState
from saran.spark.outcomes import BatchOutcome
from saran.spark.rejected_sink import RejectedSink
from saran.spark.session import build_session

FILLS: Final = (0, 20_000_000, 100_000_000)
AIM: Final = 0.6
FULL_AIM: Final = 0.8
_PIECE: Final = 2_000_000


@dataclass
class DrainBench:
    """Rates are events a second, one element a run; those of `ingest` by ids in the index before."""

    rows: int
    copy: list[float] = field(default_factory=list)
    ingest: dict[int, list[float]] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """`ingest` with empty tables over the copy, medians."""
        return statistics.median(self.ingest[0]) / statistics.median(self.copy)

    def full_ratio(self, ids: int) -> float:
        """`ingest` with `ids` in the index over `ingest` with none, medians."""
        return statistics.median(self.ingest[ids]) / statistics.median(self.ingest[0])

    def as_json(self) -> dict[str, Any]:
        """All figures, with ratios and aims."""
        full = {str(ids): self.full_ratio(ids) for ids in self.ingest if ids}
        return {**asdict(self), "ratio": self.ratio, "aim": AIM, "full_ratio": full, "full_aim": FULL_AIM}


def bench_drain(settings: Settings, runs: int, fills: Iterable[int] = FILLS) -> DrainBench:
    """Measure over all of the topic `settings.events_topic`, on a broker that runs."""
    spark = build_session(settings, "bench ingest", delta=False)
    try:
        kafka = KafkaTopics(settings)
        topics = kafka.wait_for([settings.events_topic], threading.Event()) or {}
        topic = topics[settings.events_topic]
        bench = DrainBench(rows=sum(kafka.ends(topic).values()) - sum(topic.earliest.values()))
        _copy(spark, settings, topic)
        _drain(spark, settings, topic, 0)
        for _ in range(runs):
            bench.copy.append(bench.rows / _copy(spark, settings, topic))
            for ids in fills:
                bench.ingest.setdefault(ids, []).append(bench.rows / _drain(spark, settings, topic, ids))
        return bench
    finally:
        spark.stop()


def _copy(spark: SparkSession, settings: Settings, topic: TopicState) -> float:
    """Seconds to copy the topic to Parquet."""
    folder = settings.home / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    started = time.monotonic()
    writer = read_topic(spark, settings, topic.name, topic.earliest).writeStream.format("parquet")
    query = (
        writer.option("path", str(folder / "rows"))
        .option("checkpointLocation", str(folder / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    seconds = time.monotonic() - started
    shutil.rmtree(folder)
    return seconds


def _drain(spark: SparkSession, settings: Settings, topic: TopicState, ids: int) -> float:
    """Seconds to ingest the topic into fresh tables, with `ids` other ids in the index. Counts must be exact."""
    home = settings.home / "drain"
    shutil.rmtree(home, ignore_errors=True)
    fresh = settings.model_copy(update={"home": home})
    outcomes: list[BatchOutcome] = []
    if ids:
        empty = EventIngest(fresh, topic, _rejected(fresh), "bench", outcomes.append)
        _fill(home / "ingest" / "event-ids", empty.silver.table_id, empty.silver.version, ids)
    ingest = EventIngest(fresh, topic, _rejected(fresh), "bench", outcomes.append)
    if len(ingest.index) != ids:
        raise RuntimeError(f"the index holds {len(ingest.index)} ids, not {ids}")
    started = time.monotonic()
    query = KafkaStream(ingest, "bench").start(spark, fresh, topic.name, topic.earliest, once=True)
    query.awaitTermination()
    seconds = time.monotonic() - started
    read = sum(outcome.input_rows for outcome in outcomes)
    kept = ingest.silver.rows + ingest.rejected.table.rows + sum(outcome.duplicate_rows for outcome in outcomes)
    if not read == kept == ingest.bronze.rows:
        raise RuntimeError(f"counts differ: {read} read, {kept} kept, {ingest.bronze.rows} in bronze")
    shutil.rmtree(home)
    return seconds


def _rejected(settings: Settings) -> RejectedSink:
    # A load without wrong rows sends no dead letters; one with some must not count the wait for Kafka's answers.
    return RejectedSink(settings, lambda rows: None)


def _fill(folder: Path, table_id: str, version: int, ids: int) -> None:
    """Make the index hold `ids` ids of which no event of the load has one (2^-90 or so aside)."""
    parts = []
    for first in range(0, ids, _PIECE):
        counter = np.arange(first, min(first + _PIECE, ids), dtype=np.uint64)
        hashes: Hashes = hash_words(np.full_like(counter, 0x5A12A), counter)
        parts.append(hashes.take(hashes.order()))
    path, rows = id_segments.write_segment(folder, parts)
    manifest = {"format": 1, "table": table_id, "version": version, "segments": [{"file": path.name, "rows": rows}]}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def show(bench: DrainBench) -> None:
    """Print the table."""
    print(f"{bench.rows:,} events")
    rates = {"copy to Parquet": bench.copy} | {
        f"ingest, {ids:,} ids before": rate for ids, rate in bench.ingest.items()
    }
    for name, found in rates.items():
        print(f"{name:<32}{statistics.median(found):>12,.0f} events/s   runs: {', '.join(f'{r:,.0f}' for r in found)}")
    print(f"{'ingest over copy':<32}{bench.ratio:>12.2f}   aim: {AIM} or better")
    for ids in bench.ingest:
        if ids:
            print(f"{f'{ids:,} ids over empty':<32}{bench.full_ratio(ids):>12.2f}   aim: {FULL_AIM} or better")


def main() -> None:
    """Measure on the broker and topic that SARAN_… settings name, print, and save with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--fills", type=int, nargs="*", default=list(FILLS), help="ids in the index, 0 among them")
    parser.add_argument("--json", type=Path, dest="json_path", help="save the figures here")
    options = parser.parse_args()
    bench = bench_drain(Settings(), options.runs, options.fills)
    show(bench)
    if options.json_path is not None:
        options.json_path.parent.mkdir(parents=True, exist_ok=True)
        options.json_path.write_text(json.dumps(bench.as_json(), indent=2) + "\n")


if __name__ == "__main__":
    main()
