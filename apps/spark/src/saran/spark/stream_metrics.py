"""What the stream driver tells Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from saran.spark.outcomes import BatchOutcome


class StreamMetrics:
    """The driver's series, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._records = Counter(
            "saran_ingest_records_total",
            "Records read from Kafka, by what became of them",
            ["topic", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "saran_ingest_batch_seconds",
            "From the start of a micro-batch to its last commit",
            ["topic"],
            buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=self.registry,
        )
        self._rate = Gauge(
            "saran_ingest_records_per_second", "Rate of the newest micro-batch", ["topic"], registry=self.registry
        )
        self._behind = Gauge(
            "saran_ingest_offsets_behind",
            "Records in Kafka that silver has not seen",
            ["topic", "partition"],
            registry=self.registry,
        )
        self._end = Gauge(
            "saran_ingest_end_offset",
            "Offset behind the newest record in Kafka",
            ["topic", "partition"],
            registry=self.registry,
        )
        self._expiring = Gauge(
            "saran_ingest_expiring_records",
            "Records that silver has not seen, and that have been in Kafka for half of the time it keeps them",
            ["topic", "partition"],
            registry=self.registry,
        )
        self._trends_behind = Gauge(
            "saran_trends_versions_behind",
            "Versions of silver.events that trends lack",
            registry=self.registry,
        )
        self._trends_failed = Counter(
            "saran_trends_failed_batches", "Batches of trends that failed", registry=self.registry
        )
        self._trends_failing = Gauge(
            "saran_trends_failing", "1 when the last batch of trends failed", registry=self.registry
        )
        self._trends_seconds = Gauge("saran_trends_batch_seconds", "Last batch of trends", registry=self.registry)
        self._rows = Gauge("saran_ingest_table_rows", "Rows of a table", ["table"], registry=self.registry)

    def batch(self, outcome: BatchOutcome) -> None:
        """Take in a finished micro-batch."""
        for name, rows in (
            ("new", outcome.new_rows),
            ("duplicate", outcome.duplicate_rows),
            ("rejected", outcome.rejected_rows),
        ):
            self._records.labels(outcome.topic, name).inc(rows)
        self._seconds.labels(outcome.topic).observe(outcome.seconds)
        self._rate.labels(outcome.topic).set(outcome.input_rows / outcome.seconds)
        for count in outcome.tables:
            self._rows.labels(count.table).set(count.rows)

    def behind(self, topic: str, ends: Mapping[int, int], next_offsets: Mapping[int, int]) -> None:
        """Take in where a topic ends and how far it was read."""
        for partition, end in ends.items():
            self._end.labels(topic, str(partition)).set(end)
            self._behind.labels(topic, str(partition)).set(max(0, end - next_offsets.get(partition, 0)))

    def trends_made(self, behind: int, seconds: float) -> None:
        """Take in that a batch of trends was made, and how many versions silver.events has had since."""
        self._trends_behind.set(behind)
        self._trends_seconds.set(seconds)
        self._trends_failing.set(0)

    def trends_failed(self, behind: int | None) -> None:
        """Take in that a batch of trends failed, and how many versions they are behind if that is known."""
        self._trends_failed.inc()
        self._trends_failing.set(1)
        if behind is not None:
            self._trends_behind.set(behind)

    def expiring(self, topic: str, limits: Mapping[int, int], next_offsets: Mapping[int, int]) -> None:
        """Take in up to which offsets a topic's records are past half of their time."""
        for partition, limit in limits.items():
            self._expiring.labels(topic, str(partition)).set(max(0, limit - next_offsets.get(partition, 0)))
