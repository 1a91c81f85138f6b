"""The online worker: Kafka `events` → `online.user_history`, each event once (`python -m saran.api.worker`).

The truth about what was read is `online.offsets`, moved in the transaction that stores the histories. Offsets
are committed to Kafka too, for display only. Several workers share the partitions; one that was given up for
dead finds its offsets moved and stores nothing.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np
import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from prometheus_client import start_http_server

from saran.api import history_table
from saran.api.history import merge
from saran.api.records import parse
from saran.api.worker_metrics import WorkerMetrics
from saran.core.authorities import end_when_replaced
from saran.core.database import beat, migrate
from saran.core.errors import SaranError
from saran.core.kafka_clients import client_options
from saran.core.names import Group
from saran.core.settings import Settings, load_settings

_log = logging.getLogger("saran.worker")

PART: Final = "worker"
_BATCH: Final = 20_000
_IDLE_SECONDS: Final = 0.5
_BEAT_SECONDS: Final = 2.0
_LONGEST_PAUSE_SECONDS: Final = 5.0


class Worker:
    """Runs until `stop` is set. One thread; Kafka fetches ahead in threads of its own."""

    def __init__(self, settings: Settings, stop: threading.Event, metrics: WorkerMetrics) -> None:
        self._settings = settings
        self._stop = stop
        self._metrics = metrics
        self._topic = settings.events_topic
        self._positions: dict[int, int] = {}
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
            [self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
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
        numbers = [partition.partition for partition in partitions]
        self._retrying(lambda connection: self._read_positions(connection, numbers))
        if self._stop.is_set():
            return
        consumer.assign([TopicPartition(self._topic, number, self._positions[number]) for number in numbers])
        for number in numbers:
            self._metrics.reading(self._topic, number, partial(self._behind, number))
        _log.info("reading %s from %s", self._topic, {number: self._positions[number] for number in numbers})

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._positions.pop(partition.partition, None)
            self._metrics.gave_up(self._topic, partition.partition)

    def _behind(self, partition: int) -> int:
        """Records of a partition that are not stored, by the end that Kafka told with its last answer."""
        _, end = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
        return max(0, end - self._positions.get(partition, end))

    def _read_positions(self, connection: history_table.Connection, partitions: Sequence[int]) -> None:
        self._positions.update(history_table.read_offsets(connection, self._topic, partitions))

    def _store(self, messages: Sequence[Message]) -> None:
        batch: list[Message] = []
        ends: dict[int, int] = {}
        for message in messages:
            if (error := message.error()) is not None:
                _tolerate(error)
                continue
            partition, offset = message.partition(), message.offset()
            # A record that came before its partition was taken away is the next owner's to store.
            if partition is not None and offset is not None and partition in self._positions:
                batch.append(message)
                ends[partition] = offset + 1
        if not batch:
            return
        parsed = parse([message.value() for message in batch], [message.timestamp()[1] for message in batch])
        moves = {partition: (self._positions[partition], end) for partition, end in ends.items()}

        def apply(connection: history_table.Connection) -> None:
            with connection.transaction():
                history_table.move_offsets(connection, self._topic, moves)
                if parsed.user_ids:
                    stored = history_table.read_histories(connection, parsed.user_ids)
                    known = np.isin(np.arange(len(parsed.user_ids)), stored.users)
                    merged = merge(stored, parsed.events, history=self._settings.serving.history_length)
                    history_table.write_histories(connection, parsed.user_ids, merged, known=known)
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
        self._consumer.store_offsets(offsets=[TopicPartition(self._topic, number, end) for number, end in ends.items()])
        self._metrics.actions(parsed.events.actions)
        self._count(batch, len(batch) - parsed.rejected, parsed.rejected, len(parsed.user_ids))

    def _seek(self, partitions: Sequence[int]) -> None:
        self._retrying(lambda connection: self._read_positions(connection, partitions))
        for number in partitions:
            self._consumer.seek(TopicPartition(self._topic, number, self._positions[number]))

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


def _tolerate(error: KafkaError) -> None:
    """Log what Kafka's client recovers from by itself; raise KafkaException for what it does not."""
    if error.fatal():
        raise KafkaException(error)
    _log.warning("Kafka: %s", error.str())


def main() -> None:
    """Run the worker until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = load_settings()
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
