"""Tells the rest of the platform how far `ingest` is: PostgreSQL for pages, a consumer group for Kafka's tools.

Reports are made by a thread of their own and never hold up a micro-batch. When PostgreSQL or Kafka is away, they are
kept and made later. Counts are always those of the tables, so none is lost with a report.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import psycopg
from confluent_kafka import KafkaException

from saran.core.database import beat, migrate
from saran.core.names import Group
from saran.core.settings import Settings
from saran.spark.kafka_topics import KafkaTopics, TopicState
from saran.spark.outcomes import BatchOutcome, Erased, TableCount
from saran.spark.stream_metrics import StreamMetrics

PART: Final = "streams"
_ROUND_SECONDS: Final = 1.0
_REPEAT_SECONDS: Final = 60.0
"""How often unchanged offsets are reported: Kafka forgets an idle group's after a week."""

_LAG_SECONDS: Final = 5.0
_CONNECT_SECONDS: Final = 3
_KEPT_BATCHES: Final = 1000
"""Micro-batches kept while PostgreSQL is away; older ones are missing from its history of batches only."""

_log = logging.getLogger(__name__)


class StreamReporter:
    """Takes outcomes from the streams' threads and reports them until `close`."""

    def __init__(
        self, settings: Settings, kafka: KafkaTopics, metrics: StreamMetrics, is_alive: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._kafka = kafka
        self._metrics = metrics
        self._is_alive = is_alive
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._batches: deque[BatchOutcome] = deque(maxlen=_KEPT_BATCHES)
        self._counts: dict[str, TableCount] = {}
        self._erased: list[Erased] = []
        self._topics: dict[str, TopicState] = {}
        self._next: dict[str, dict[int, int]] = {}
        self._reported: dict[str, tuple[dict[int, int], float]] = {}
        self._lag_at = 0.0
        self._half_seconds = settings.kafka.retention_hours * 3600 / 2
        self._database: psycopg.Connection[tuple[object, ...]] | None = None
        self._away: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="stream-reporter", daemon=True)

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def add_stream(self, topic: TopicState, next_offsets: Mapping[int, int], counts: tuple[TableCount, ...]) -> None:
        """A stream and what it finds at its start."""
        with self._lock:
            self._topics[topic.name] = topic
            self._next[topic.name] = dict(next_offsets)
            self._counts.update({count.table: count for count in counts})

    def tell(self, outcome: BatchOutcome) -> None:
        """Take a finished micro-batch; returns at once."""
        self._metrics.batch(outcome)
        with self._lock:
            self._batches.append(outcome)
            self._next.setdefault(outcome.topic, {}).update(outcome.next_offsets)
            for count in outcome.tables:
                known = self._counts.get(count.table)
                # Two streams count silver.rejected; the newer version is the truth.
                if known is None or known.version <= count.version:
                    self._counts[count.table] = count
        self._wake.set()

    def tell_erased(self, erased: Sequence[Erased], counts: Sequence[TableCount] = ()) -> None:
        """Take erasures that are done, and the tables as they are then; returns at once."""
        with self._lock:
            self._erased += erased
            self._counts.update({count.table: count for count in counts})
        self._wake.set()

    def close(self) -> None:
        """Report what is left, then end."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2 * self._settings.kafka.timeout_ms / 1000)
        if self._database is not None:
            self._database.close()

    def _run(self) -> None:
        while True:
            last = self._closing.is_set()
            self._guarded("PostgreSQL", self._report_database, psycopg.Error, FileNotFoundError)
            self._guarded("Kafka", self._report_kafka, KafkaException, TimeoutError)
            if last:
                return
            self._wake.wait(_ROUND_SECONDS)
            self._wake.clear()

    def _guarded(self, what: str, report: Callable[[], None], *expected: type[Exception]) -> None:
        try:
            report()
        except expected as error:
            if what == "PostgreSQL" and self._database is not None:
                self._database.close()
                self._database = None
            if what == "Kafka":
                self._kafka.renew()
            if what not in self._away:
                self._away.add(what)
                _log.warning("%s does not take reports, ingest goes on: %s", what, str(error).strip())
        else:
            if what in self._away:
                self._away.discard(what)
                _log.info("%s takes reports again", what)

    def _report_database(self) -> None:
        if self._database is None:
            url = self._settings.postgres_url
            migrate(url, timeout_seconds=_CONNECT_SECONDS)
            self._database = psycopg.connect(
                url, connect_timeout=_CONNECT_SECONDS, options="-c statement_timeout=5000", autocommit=True
            )
        with self._lock:
            batches, counts, erased = list(self._batches), dict(self._counts), list(self._erased)
        with self._database.transaction():
            if self._is_alive():
                beat(self._database, PART)
            for batch in batches:
                _write_batch(self._database, batch)
            for count in counts.values():
                _write_count(self._database, count)
            for one in erased:
                _write_erased(self._database, one)
        with self._lock:
            del self._erased[: len(erased)]
            for batch in batches:
                if self._batches and self._batches[0] is batch:
                    self._batches.popleft()
            for table, count in counts.items():
                if self._counts.get(table) is count:
                    del self._counts[table]

    def _report_kafka(self) -> None:
        with self._lock:
            reached = {topic: dict(offsets) for topic, offsets in self._next.items()}
            topics = dict(self._topics)
        now = time.monotonic()
        for topic, offsets in reached.items():
            known, at = self._reported.get(topic, ({}, 0.0))
            if offsets and (offsets != known or now - at > _REPEAT_SECONDS):
                self._kafka.report(Group.INGEST, topic, offsets)
                self._reported[topic] = (offsets, now)
        if now - self._lag_at > _LAG_SECONDS:
            self._lag_at = now
            for name, topic_state in topics.items():
                ends = self._kafka.ends(topic_state)
                self._metrics.behind(name, ends, reached[name])
                if name == self._settings.events_topic:  # the catalogue is compacted: what it has last never expires
                    old = self._kafka.first_since(topic_state, time.time() - self._half_seconds)
                    self._metrics.expiring(name, {**ends, **old}, reached[name])


def _write_batch(database: psycopg.Connection[tuple[object, ...]], batch: BatchOutcome) -> None:
    database.execute(
        "INSERT INTO analytics.ingest_batches"
        " (query, batch_id, seconds, input_rows, new_rows, duplicate_rows, rejected_rows)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (query, batch_id) DO NOTHING",
        (
            batch.query,
            batch.batch_id,
            batch.seconds,
            batch.input_rows,
            batch.new_rows,
            batch.duplicate_rows,
            batch.rejected_rows,
        ),
    )


def _write_erased(database: psycopg.Connection[tuple[object, ...]], erased: Erased) -> None:
    database.execute(
        "INSERT INTO analytics.erasures (subject, request_id, done_at) VALUES (%s, %s, %s)"
        " ON CONFLICT (subject) DO UPDATE SET request_id = excluded.request_id, done_at = excluded.done_at",
        (erased.subject, erased.request_id, erased.done_at),
    )


def _write_count(database: psycopg.Connection[tuple[object, ...]], count: TableCount) -> None:
    database.execute(
        "INSERT INTO analytics.table_counts (table_name, rows, version, as_of, rejected_rows, duplicate_rows,"
        " read_offsets) VALUES (%s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (table_name) DO UPDATE SET rows = excluded.rows, version = excluded.version,"
        " as_of = excluded.as_of, rejected_rows = excluded.rejected_rows,"
        " duplicate_rows = excluded.duplicate_rows, read_offsets = excluded.read_offsets, updated_at = now()",
        (
            count.table,
            count.rows,
            count.version,
            count.as_of,
            count.rejected_rows,
            count.duplicate_rows,
            count.read_offsets,
        ),
    )
