"""The online worker: Kafka `events` → `online.user_history`, each event once (`python -m saran.api.worker`).

It reads `users` into `online.users` too, and carries out the erasures of `requests` in both tables.

The truth about what was read is `online.offsets`, moved in the transaction that stores the histories. Offsets
are committed to Kafka too, for display only. Several workers share the partitions; one that was given up for
dead finds its offsets moved and stores nothing.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from prometheus_client import start_http_server

from saran.api import erasure_table, exposure_table, history_changes, history_table, user_table
from saran.api.history import merge
from saran.api.records import Parsed, parse, without
from saran.api.worker_metrics import WorkerMetrics
from saran.core.authorities import end_when_replaced
from saran.core.database import beat, migrate
from saran.core.erasures import Erasure, erasure_key, read_erasure
from saran.core.errors import SaranError
from saran.core.kafka_clients import client_options
from saran.core.log_lines import log_to_stderr
from saran.core.names import Group, Topic
from saran.core.settings import Settings, load_settings

_log = logging.getLogger("saran.worker")

PART: Final = "worker"
_BATCH: Final = 20_000
_IDLE_SECONDS: Final = 0.5
_BEAT_SECONDS: Final = 2.0
_LONGEST_PAUSE_SECONDS: Final = 5.0

Place = tuple[str, int]
"""Topic and partition."""


class Worker:
    """Runs until `stop` is set. One thread; Kafka fetches ahead in threads of its own."""

    def __init__(self, settings: Settings, stop: threading.Event, metrics: WorkerMetrics) -> None:
        self._settings = settings
        self._stop = stop
        self._metrics = metrics
        self._topic = settings.events_topic
        self._positions: dict[Place, int] = {}
        self._erased = erasure_table.Known()
        self._connection: history_table.Connection | None = None
        self._beaten = 0.0
        self._consumer = Consumer(
            {
                **client_options(settings),
                "group.id": Group.ONLINE,
                "client.id": "saran-worker",
                # The shortest that brokers allow: how long a killed worker's partitions wait for the next.
                "session.timeout.ms": 6000,
                "heartbeat.interval.ms": 1500,
                "enable.auto.commit": True,
                "auto.commit.interval.ms": 1000,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 100,
                "queued.min.messages": 2 * _BATCH,
                "topic.metadata.refresh.interval.ms": 5000,
                "allow.auto.create.topics": False,
            },
            logger=_log,
        )

    def run(self) -> None:
        """Consume until stopped. What fails for a while is retried; a fatal error of Kafka's client is raised."""
        self._consumer.subscribe(
            [self._topic, Topic.USERS, Topic.REQUESTS],
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._revoked,
        )
        try:
            while not self._stop.is_set():
                first = self._consumer.poll(_IDLE_SECONDS)
                if first is None:
                    self._retrying(self._beat)
                    continue
                started = time.perf_counter()
                # The rest without waiting: a lone event goes at once, a backlog in large batches.
                self._store([first, *self._consumer.consume(_BATCH - 1, timeout=0)])
                self._metrics.batch_seconds.observe(time.perf_counter() - started)
        finally:
            self._consumer.close()
            if self._connection is not None:
                self._connection.close()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        places = [(partition.topic, partition.partition) for partition in partitions]
        self._retrying(lambda connection: self._read_positions(connection, places))
        if self._stop.is_set():
            return
        consumer.assign([TopicPartition(*place, self._positions[place]) for place in places])
        for topic, number in places:
            self._metrics.reading(topic, number, partial(self._behind, (topic, number)))
        for topic, numbers in _by_topic(places).items():
            _log.info("reading %s from %s", topic, {number: self._positions[topic, number] for number in numbers})

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._positions.pop((partition.topic, partition.partition), None)
            self._metrics.gave_up(partition.topic, partition.partition)

    def _behind(self, place: Place) -> int:
        """Records of a partition that are not stored, by the end that Kafka told with its last answer."""
        _, end = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
        return max(0, end - self._positions.get(place, end))

    def _read_positions(self, connection: history_table.Connection, places: Sequence[Place]) -> None:
        for topic, numbers in _by_topic(places).items():
            offsets = history_table.read_offsets(connection, topic, numbers)
            self._positions.update({(topic, number): offset for number, offset in offsets.items()})

    def _store(self, messages: Sequence[Message]) -> None:
        batch: list[Message] = []
        ends: dict[Place, int] = {}
        for message in messages:
            if (error := message.error()) is not None:
                _tolerate(error)
                continue
            place, offset = (str(message.topic()), int(message.partition() or 0)), message.offset()
            # A record that came before its partition was taken away is the next owner's to store.
            if offset is not None and place in self._positions:
                batch.append(message)
                ends[place] = offset + 1
        if not batch:
            return
        events = [message for message in batch if message.topic() == self._topic]
        parsed = parse([message.value() for message in events], [message.timestamp()[1] for message in events])
        users = user_table.parse([message for message in batch if message.topic() == Topic.USERS])
        orders = [read_erasure(message.value()) for message in batch if message.topic() == Topic.REQUESTS]
        erasures = [order for order in orders if order is not None]
        taken_at: dict[bytes | None, int] = {message.key(): message.timestamp()[1] for message in events}
        moves = {place: (self._positions[place], end) for place, end in ends.items()}

        def apply(connection: history_table.Connection) -> None:
            with connection.transaction():
                for topic, numbers in sorted(_by_topic(moves).items()):
                    history_table.move_offsets(connection, topic, {number: moves[topic, number] for number in numbers})
                self._erase(connection, erasures)
                self._write(connection, parsed, users, taken_at)
                self._beat(connection)

        try:
            if not self._retrying(apply):
                return
        except history_table.MovedError as error:
            _log.warning("%s: reading again from where it is", error)
            self._metrics.retries.labels("moved").inc()
            self._seek(sorted(ends))
            return
        self._positions.update(ends)
        self._consumer.store_offsets(offsets=[TopicPartition(*place, end) for place, end in ends.items()])
        self._metrics.actions(parsed.events.actions)
        self._count(batch, len(events) - parsed.rejected, parsed.rejected, len(parsed.user_ids))

    def _erase(self, connection: history_table.Connection, erasures: Sequence[Erasure]) -> None:
        """Carry out the erasures, and know those that other workers carried out; none is under way afterwards."""
        erasure_table.hold(connection, exclusive=bool(erasures))
        if erasures:
            erasure_table.erase(connection, erasures, erasure_key(self._settings))
            _log.info("erased what %d requests named", len(erasures))
        self._erased = erasure_table.refresh(connection, self._erased, lambda: erasure_key(self._settings))

    def _write(
        self,
        connection: history_table.Connection,
        parsed: Parsed,
        users: Mapping[str, user_table.Row | None],
        taken_at: Mapping[bytes | None, int],
    ) -> None:
        """Store events and users; `taken_at` is the time of the newest record of each key, in ms since 1970."""
        kept = without(parsed, self._erased.tombstones.among(parsed.user_ids))
        if len(kept.events.items):
            stored = history_table.read_histories(connection, kept.user_ids)
            known = np.isin(np.arange(len(kept.user_ids)), stored.users)
            merged = merge(stored, kept.events, history=self._settings.serving.history_length)
            history_table.write_histories(connection, kept.user_ids, merged, known=known)
            changed = [kept.user_ids[place] for place in np.unique(kept.events.users).tolist()]
            latest = max(taken_at.values())
            history_changes.tell(connection, {user: taken_at.get(user.encode(), latest) for user in changed})
        erased = self._erased.tombstones.among([one.user_id for one in parsed.shown])
        exposure_table.write(connection, parsed.shown, kept.user_ids, kept.events, erased)
        user_table.write(connection, users, self._erased.tombstones)

    def _seek(self, places: Sequence[Place]) -> None:
        self._retrying(lambda connection: self._read_positions(connection, places))
        for place in places:
            self._consumer.seek(TopicPartition(*place, self._positions[place]))

    def _retrying(self, work: Callable[[history_table.Connection], None]) -> bool:
        """Do `work` with a connection, again and again while PostgreSQL is away; False when stopped before."""
        pause = 0.05
        while not self._stop.is_set():
            try:
                if self._connection is None:
                    migrate(self._settings.postgres_url)
                    self._connection = history_table.connect(self._settings.postgres_url)
                    _log.info("PostgreSQL is there")
                work(self._connection)
                return True
            except (
                psycopg.OperationalError,
                psycopg.InterfaceError,
                psycopg.InternalError,
                FileNotFoundError,
            ) as error:
                _log.warning("PostgreSQL: %s; trying again in %.2g s", str(error).strip(), pause)
                self._metrics.retries.labels("postgres").inc()
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
                self._stop.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return False

    def _beat(self, connection: history_table.Connection) -> None:
        if time.monotonic() - self._beaten > _BEAT_SECONDS:
            with connection.transaction():
                beat(connection, PART)
            self._beaten = time.monotonic()

    def _count(self, batch: Sequence[Message], stored: int, rejected: int, users: int) -> None:
        self._metrics.records.labels("stored").inc(stored)
        self._metrics.records.labels("rejected").inc(rejected)
        self._metrics.users.inc(users)
        _, milliseconds = batch[-1].timestamp()
        self._metrics.delay_seconds.set(max(0.0, time.time() - milliseconds / 1000))


def _by_topic(places: Iterable[Place]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for topic, number in places:
        found[topic].append(number)
    return found


def _tolerate(error: KafkaError) -> None:
    """Log what Kafka's client recovers from by itself; raise KafkaException for what it does not."""
    if error.fatal():
        raise KafkaException(error)
    _log.warning("Kafka: %s", error.str())


def main() -> None:
    """Run the worker until SIGTERM or SIGINT."""
    settings = load_settings()
    log_to_stderr(settings)
    end_when_replaced(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    metrics = WorkerMetrics()
    port = settings.port("worker_metrics")
    try:
        server, thread = start_http_server(port, addr=settings.listen, registry=metrics.registry)
    except OSError as error:
        raise SaranError(
            f"port {port} for the worker's metrics cannot be used ({error.strerror})",
            fix="end what listens there, or set SARAN_PORT_OFFSET",
        ) from error
    try:
        Worker(settings, stop, metrics).run()
    finally:
        server.shutdown()
        thread.join()


if __name__ == "__main__":
    main()
